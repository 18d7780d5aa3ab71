#include "trainer/models/row_gradient.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include "dist/runtime/errors.h"
#include "ids/vectorize.h"
#include "trainer/models/fused_support.h"
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

void RowGradient::add(std::span<const int64_t> rows, const at::Tensor& values) {
  TUTTI_CHECK(values.numel() == std::ssize(rows) * width());
  for (const int64_t row : rows) {
    if (is_touched_.at(row)) continue;
    is_touched_[row] = true;
    rows_.push_back(row);
  }
  if (!is_fused(dense_)) {
    dense_.index_add_(0, on_device(rows), values.view({-1, width()}).to(dense_.device()));
    return;
  }
  const auto* from = values.const_data_ptr<float>();
  for (size_t i = 0; i < rows.size(); ++i) {
    add_row(from + static_cast<int64_t>(i) * width(), row(rows[i]), width());
  }
}

void RowGradient::add(std::span<const int64_t> rows, std::span<const float> values) {
  add(rows, at::from_blob(const_cast<float*>(values.data()), {std::ssize(values)}, at::kFloat));
}

void RowGradient::clear() {
  if (!is_fused(dense_)) dense_.index_fill_(0, touched(), 0);
  for (const int64_t r : rows_) {
    if (is_fused(dense_)) std::fill_n(row(r), width(), 0.0F);
    is_touched_[r] = false;
  }
  rows_.clear();
}

at::Tensor RowGradient::on_device(std::span<const int64_t> rows) const {
  return at::from_blob(const_cast<int64_t*>(rows.data()), {std::ssize(rows)}, at::kLong)
      .clone()
      .to(dense_.device());
}

at::Tensor RowGradient::touched() const {
  return on_device(rows_);
}

float* RowGradient::row(int64_t row) {
  return dense_.mutable_data_ptr<float>() + row * width();
}

std::vector<float> RowGradient::values() const {
  const at::Tensor rows = dense_.index_select(0, touched()).to(at::kCPU);
  const auto* from = rows.const_data_ptr<float>();
  return {from, from + rows.numel()};
}

double RowGradient::sum_of_squares() const {
  if (!is_fused(dense_)) {
    return dense_.index_select(0, touched()).square().sum(at::kDouble).item<double>();
  }
  double sum = 0;
  for (const int64_t r : rows_) {
    sum += squares_of_row(dense_.const_data_ptr<float>() + r * width(), width());
  }
  return sum;
}

void RowGradient::move_to(at::Device device) {
  TUTTI_CHECK(rows_.empty());
  dense_ = dense_.to(device);
}

}  // namespace tutti::trainer
