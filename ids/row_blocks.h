#pragma once

#include <cstdint>

#include "dist/communicator.h"
#include "ids/matrix.h"

namespace tutti::ids {

// This rank's consecutive rows [first, first + count) of a table of `total` rows; may be empty. The
// shards of all ranks, in rank order, make up the table.
struct RowShard {
  const float* values = nullptr;  // [count, dim]
  int64_t first = 0, count = 0, total = 0, dim = 0;

  const float* row(int64_t local) const { return values + local * dim; }
};

// Rows are computed on in blocks anchored at their global number, so that a row meets the same
// products whoever owns it.
constexpr int64_t kRowBlock = 512;

// The rows of a shard that lie in one block.
struct RowBlock {
  int64_t local = 0;   // the first, as a row of the shard
  int64_t count = 0;   // 1 .. kRowBlock
  int64_t offset = 0;  // place of the first within the block
};
int64_t num_row_blocks(const RowShard& rows);
RowBlock row_block(const RowShard& rows, int64_t index);

// Copies the block's rows to their place in `block` [kRowBlock, dim], zeros elsewhere.
void copy_block(const RowShard& rows, const RowBlock& part, AlignedFloats& block);

// The rows of a whole table [total, dim] that `rank` of `size` owns, in whole blocks.
RowShard owned_rows(const float* table, int64_t total, int64_t dim, const Communicator& comm);

}  // namespace tutti::ids
