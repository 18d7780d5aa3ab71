#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tutti::ids {

// The one-to-one matching of rows to columns that has the largest sum of `gains` [n, n] (Kuhn's
// Hungarian method with potentials, O(n^3)): the column of each row. Of equal sums always the same.
std::vector<int32_t> best_matching(std::span<const int64_t> gains, int64_t n);

}  // namespace tutti::ids
