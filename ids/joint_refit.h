#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/row_source.h"

namespace tutti::ids {

// Moves the codebooks of all levels together to where they stand best for `codes` [count, L]: the
// least-squares solution of sum |x - sum_l c_l(code)|^2, given `rows` = x' (residual_rows.h without
// codes). The normal equations need how often codes of two levels occur together, and the sum of
// the rows of each code: 4 bytes for every pair of codes of different levels, 8 D bytes a code, in
// integers, so that the result is the same bytes at any world size and thread count.
//
// Solved by Gauss-Seidel sweeps over the levels: codes of one level never occur together, so a
// level's block is diagonal. The error never rises, codes without rows stay, and what the equations
// leave open (a vector added to all codes of one level and taken off those of another) stays as it
// was. Collective.
void refit_codebooks(RowSource& rows, std::span<const int32_t> codes, Codebooks* codebooks,
                     Communicator& comm, ThreadPool& pool);

}  // namespace tutti::ids
