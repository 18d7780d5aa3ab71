#pragma once

#include <vector>

#include "dist/runtime/rng.h"
#include "ids/row_source.h"

namespace tutti::ids {

// [n, dim] rows around `clusters` random centres; every seventh row repeats the one before it.
inline std::vector<float> clustered_rows(int64_t n, int64_t dim, int64_t clusters, uint64_t seed) {
  std::vector<float> rows(n * dim);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t source = i % 7 == 6 ? i - 1 : i;
    Rng noise(seed, Purpose::kTest, source);
    Rng center(seed + 1, Purpose::kTest, noise.below(clusters));
    for (int64_t j = 0; j < dim; ++j) {
      rows[i * dim + j] = static_cast<float>(center.normal() + 0.2 * noise.normal());
    }
  }
  return rows;
}

// The rows [first, last) of a table as a shard.
inline RowShard shard_of(const std::vector<float>& table, int64_t dim, int64_t first,
                         int64_t last) {
  return {table.data() + first * dim, first, last - first, std::ssize(table) / dim, dim};
}

// The same as a source of rows.
inline RowsInMemory source_of(const std::vector<float>& table, int64_t dim, int64_t first,
                              int64_t last) {
  return RowsInMemory(shard_of(table, dim, first, last));
}

}  // namespace tutti::ids
