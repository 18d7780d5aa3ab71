#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ids/row_source.h"

namespace tutti::ids {

// `size` rows of a table, chosen by a keyed permutation of their global numbers and held in memory,
// as a smaller table in the same order: the same rows at any world size.
class SampledRows {
 public:
  // 1 <= size <= rows.total(). Not collective.
  SampledRows(RowSource& rows, int64_t size, uint64_t seed);

  RowSource& rows() { return *source_; }

 private:
  std::vector<float> values_;
  std::unique_ptr<RowsInMemory> source_;
};

}  // namespace tutti::ids
