#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dist/communicator.h"

namespace tutti {

// The elements [0, n) of a flat buffer, cut into ranges of `bucket_elements` (> 0) and a last one
// that holds the rest: what one all-reduce carries. The same on all ranks by construction.
std::vector<Range> make_buckets(int64_t n, int64_t bucket_elements);

// Tensors laid end to end in one flat buffer: tensor i is [offsets[i], offsets[i + 1]).
std::vector<int64_t> flat_offsets(std::span<const int64_t> sizes);  // [num_tensors + 1]

// For each bucket the tensors that have elements in it, [first, last): a bucket can be sent when
// the gradients of these are there. `offsets`: from flat_offsets.
std::vector<Range> tensors_of_buckets(std::span<const Range> buckets,
                                      std::span<const int64_t> offsets);

}  // namespace tutti
