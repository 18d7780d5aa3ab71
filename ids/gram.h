#pragma once

#include <cstdint>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/row_blocks.h"

namespace tutti::ids {

// A rank's share of a table of factors begins and ends at a multiple of so many rows (or at the
// table's end), so that each block of them is one rank's, whatever the world size.
constexpr int64_t kFactorBlock = 256;

// T^T T [dim, dim] of a table whose rows are spread over the ranks. Blocks are summed in fixed
// point: the same bytes at any world size and thread count. Collective.
std::vector<double> gram_matrix(const RowShard& own, Communicator& comm, ThreadPool& pool);

// The basis in which a table's Gram matrix is diagonal: rows of `axes` [dim, dim] are orthonormal,
// gram = axes^T diag(values) axes.
struct PrincipalAxes {
  std::vector<float> values, axes;
};
// Rank 0's answer on every rank. Collective.
PrincipalAxes principal_axes(const std::vector<double>& gram, int64_t dim, Communicator& comm);

// row = axes * row, for each of `rows` [count, dim], a rank's share of a table.
void rotate_rows(const PrincipalAxes& basis, int64_t count, int64_t dim, float* rows,
                 ThreadPool& pool);

}  // namespace tutti::ids
