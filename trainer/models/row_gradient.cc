#include "trainer/models/row_gradient.h"

#include <algorithm>

#include <ATen/ops/zeros.h>

#include "dist/runtime/errors.h"
#include "ids/vectorize.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

TUTTI_VECTORIZED void add_row(const float* from, float* to, int64_t width) {
  lanes::axpy(1.0F, from, to, width);
}
TUTTI_VECTORIZED float squares_of_row(const float* row, int64_t width) {
  return lanes::dot(row, row, width);
}

}  // namespace

RowGradient::RowGradient(int64_t num_rows, int64_t width)
    : dense_(at::zeros({num_rows, width}, at::kFloat)), is_touched_(num_rows, false) {}

void RowGradient::add(std::span<const int64_t> rows, std::span<const float> values) {
  TUTTI_CHECK(std::ssize(values) == std::ssize(rows) * width());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!is_touched_.at(rows[i])) {
      is_touched_[rows[i]] = true;
      rows_.push_back(rows[i]);
    }
    add_row(values.data() + static_cast<int64_t>(i) * width(), row(rows[i]), width());
  }
}

void RowGradient::clear() {
  for (const int64_t r : rows_) {
    std::fill_n(row(r), width(), 0.0F);
    is_touched_[r] = false;
  }
  rows_.clear();
}

float* RowGradient::row(int64_t row) {
  return dense_.mutable_data_ptr<float>() + row * width();
}

std::vector<float> RowGradient::values() const {
  std::vector<float> out;
  out.reserve(rows_.size() * width());
  for (const int64_t r : rows_) {
    const float* from = dense_.const_data_ptr<float>() + r * width();
    out.insert(out.end(), from, from + width());
  }
  return out;
}

double RowGradient::sum_of_squares() const {
  double sum = 0;
  for (const int64_t r : rows_) {
    sum += squares_of_row(dense_.const_data_ptr<float>() + r * width(), width());
  }
  return sum;
}

}  // namespace tutti::trainer
