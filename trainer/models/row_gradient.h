#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace tutti::trainer {

// The gradient of a table of which a step reads few rows (the text vocabulary): a dense buffer that
// is zero but for the rows touched, and the list of these. Rows that a step does not touch are
// never passed over. What a row is given more than once is summed.
class RowGradient {
 public:
  RowGradient(int64_t num_rows, int64_t width);

  // Adds values [rows.size(), width] fp32 to these rows, in that order.
  void add(std::span<const int64_t> rows, const at::Tensor& values);
  void add(std::span<const int64_t> rows, std::span<const float> values);  // of host memory
  void clear();  // touches only what was touched

  std::span<const int64_t> rows() const { return rows_; }  // distinct, in the order of first touch
  at::Tensor touched() const;         // rows() on the device of the gradient, [rows().size()] int64
  std::vector<float> values() const;  // [rows().size(), width], in host memory
  float* row(int64_t row);            // [width], of a touched row of a gradient in host memory
  double sum_of_squares() const;

  // Moves a gradient that is zero.
  void move_to(at::Device device);

  int64_t width() const { return dense_.size(1); }
  at::Tensor dense() const { return dense_; }  // [num_rows, width]

 private:
  at::Tensor on_device(std::span<const int64_t> rows) const;

  at::Tensor dense_;
  std::vector<bool> is_touched_;
  std::vector<int64_t> rows_;
};

}  // namespace tutti::trainer
