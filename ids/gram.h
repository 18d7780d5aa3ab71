#pragma once

#include <cstdint>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"

namespace tutti::ids {

// table^T table [dim, dim] of a table [num_rows, dim] that every rank holds whole: each rank sums
// its blocks of rows in fixed point, so the result is the same bytes at any world size and thread
// count. Collective.
std::vector<float> gram_matrix(const float* table, int64_t num_rows, int64_t dim,
                               Communicator& comm, ThreadPool& pool);

}  // namespace tutti::ids
