#pragma once

#include <cstdint>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/row_source.h"

namespace tutti::ids {

// The `n` rows of the table that are farthest from their codes (`codes` [count] of this rank's
// rows), by fp64 distance, lowest row first among equals: their vectors, [at most n, D], on every
// rank. Rows at distance 0 are left out. Collective; one pass over the rows.
std::vector<float> farthest_rows(RowSource& rows, const Codebook& codebook,
                                 const std::vector<int32_t>& codes, int64_t n, Communicator& comm,
                                 ThreadPool& pool);

}  // namespace tutti::ids
