#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/row_source.h"

namespace tutti::ids {

constexpr int32_t kNoCode = -1;

// How well known codes stand for vectors: 10 log10 of signal over error energy, over the rows of
// all ranks that have codes. `codes` [count, L], kNoCode in rows that have none. Collective.
double snr_of_known(RowSource& rows, std::span<const int32_t> codes, const Codebooks& codebooks,
                    Communicator& comm, ThreadPool& pool);

// The codebooks, turned to where they stand best for the rows with known codes: vectors that were
// trained again are the old ones up to a rotation, since scores do not change with it. Orthogonal
// Procrustes (Schoenemann, 1966) between the vectors and what their codes stand for; no old vectors
// are needed, codes keep their meaning, and the new vectors stay as they are. Rows begin at whole
// blocks on each rank; sums are fixed-point integers, so all ranks agree at any world size.
// Collective.
Codebooks turn_to_rows(RowSource& rows, std::span<const int32_t> codes, const Codebooks& codebooks,
                       Communicator& comm, ThreadPool& pool);

}  // namespace tutti::ids
