#include "ids/row_blocks.h"

#include <algorithm>
#include <cstring>

namespace tutti::ids {

int64_t num_row_blocks(const RowShard& rows) {
  if (rows.count == 0) return 0;
  return (rows.first + rows.count - 1) / kRowBlock - rows.first / kRowBlock + 1;
}

RowBlock row_block(const RowShard& rows, int64_t index) {
  const int64_t begin = (rows.first / kRowBlock + index) * kRowBlock;
  const int64_t first = std::max(begin, rows.first);
  const int64_t last = std::min(begin + kRowBlock, rows.first + rows.count);
  return {first - rows.first, last - first, first - begin};
}

void copy_block(const RowShard& rows, const RowBlock& part, AlignedFloats& block) {
  const int64_t dim = rows.dim;
  block.reserve(kRowBlock * dim);
  const int64_t end = part.offset + part.count;
  std::fill(block.data(), block.data() + part.offset * dim, 0.0F);
  std::memcpy(block.data() + part.offset * dim, rows.row(part.local),
              part.count * dim * sizeof(float));
  std::fill(block.data() + end * dim, block.data() + kRowBlock * dim, 0.0F);
}

RowShard owned_rows(const float* table, int64_t total, int64_t dim, const Communicator& comm) {
  const auto range = owned_range(total, kRowBlock, comm.rank(), comm.size());
  return {table + range.first * dim, range.first, range.size(), total, dim};
}

}  // namespace tutti::ids
