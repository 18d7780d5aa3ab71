#include "ids/radix_order.h"

#include <algorithm>
#include <numeric>

#include "dist/runtime/errors.h"

namespace tutti::ids {
namespace {

constexpr int kDigitBits = 16;
constexpr int32_t kDigitMask = (1 << kDigitBits) - 1;

// Stable sort of `order` by one digit into `sorted`.
void sort_by_digit(const DigitColumn& column, int shift, const std::vector<int32_t>& order,
                   std::vector<int32_t>* sorted, std::vector<int32_t>* starts) {
  const auto digit_of = [&](int32_t row) {
    return (column.values[row * column.stride] >> shift) & kDigitMask;
  };
  const int64_t num_digits = std::min<int64_t>(kDigitMask, (column.num_values - 1) >> shift) + 1;
  starts->assign(num_digits + 1, 0);
  // Counting does not care for the order, and memory likes the rows' own.
  const auto num_rows = static_cast<int32_t>(order.size());
  for (int32_t row = 0; row < num_rows; ++row) ++(*starts)[digit_of(row) + 1];
  std::partial_sum(starts->begin(), starts->end(), starts->begin());
  for (const int32_t row : order) (*sorted)[(*starts)[digit_of(row)]++] = row;
}

}  // namespace

std::vector<int32_t> radix_order(std::span<const DigitColumn> columns, int64_t num_rows) {
  TUTTI_CHECK(num_rows < INT32_MAX, "rows are 32-bit numbers");
  std::vector<int32_t> order(num_rows), sorted(num_rows), starts;
  std::iota(order.begin(), order.end(), 0);
  for (size_t c = columns.size(); c-- > 0;) {
    const DigitColumn& column = columns[c];
    for (int shift = 0; shift < 32 && (column.num_values - 1) >> shift > 0; shift += kDigitBits) {
      sort_by_digit(column, shift, order, &sorted, &starts);
      order.swap(sorted);
    }
  }
  return order;
}

std::vector<DigitColumn> code_columns(std::span<const int32_t> codes, int64_t num_levels) {
  std::vector<DigitColumn> columns;
  for (int64_t l = 0; l < num_levels; ++l) columns.push_back({codes.data() + l, num_levels, 1});
  const int64_t num_rows = num_levels == 0 ? 0 : std::ssize(codes) / num_levels;
  for (int64_t row = 0; row < num_rows; ++row) {
    for (int64_t l = 0; l < num_levels; ++l) {
      const int32_t code = codes[row * num_levels + l];
      TUTTI_CHECK(code >= 0, "codes from 0 on");
      columns[l].num_values = std::max<int64_t>(columns[l].num_values, code + int64_t{1});
    }
  }
  return columns;
}

}  // namespace tutti::ids
