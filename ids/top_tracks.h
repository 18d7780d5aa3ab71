#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dist/runtime/thread_pool.h"

namespace tutti::ids {

// For each query the `k` tracks of greatest inner product, best first, the lower track of equals
// first; tracks in `excluded` [queries] (each ascending) are left out. `queries` [n, dim], `tracks`
// [num_tracks, dim]. The lists are shorter when there are fewer tracks.
std::vector<std::vector<int32_t>> top_tracks(std::span<const float> queries,
                                             std::span<const float> tracks, int64_t dim, int64_t k,
                                             const std::vector<std::vector<int32_t>>& excluded,
                                             ThreadPool& pool);

}  // namespace tutti::ids
