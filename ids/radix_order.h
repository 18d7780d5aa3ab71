#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tutti::ids {

// One number of each row: values[row * stride], in [0, num_values).
struct DigitColumn {
  const int32_t* values = nullptr;
  int64_t stride = 1;
  int64_t num_values = 0;
};

// The rows [0, num_rows) sorted by the first column, then the second and so on; rows equal in all
// of them stay in rising order. A radix sort from the last digit to the first, 16 bits a digit:
// linear in the rows, and 8 bytes a row is all the memory it takes. num_rows < 2^31.
std::vector<int32_t> radix_order(std::span<const DigitColumn> columns, int64_t num_rows);

// The columns of row-major codes [num_rows, num_levels], each as wide as its largest code asks.
std::vector<DigitColumn> code_columns(std::span<const int32_t> codes, int64_t num_levels);

}  // namespace tutti::ids
