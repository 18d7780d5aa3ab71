#pragma once

#include <cstdint>
#include <vector>

#include "dist/communicator.h"

namespace tutti {

// The elements [0, n) of a flat buffer, cut into ranges of `bucket_elements` (> 0) and a last one
// that holds the rest: what one all-reduce carries. The same on all ranks by construction.
std::vector<Range> make_buckets(int64_t n, int64_t bucket_elements);

}  // namespace tutti
