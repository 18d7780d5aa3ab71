#include "ids/ials_solver.h"

#include <algorithm>

#include "dist/runtime/errors.h"
#include "ids/ials_kernels.h"

namespace tutti::ids {
namespace {

// Up to so many entries the exact solution costs no more than three steps of conjugate gradients.
constexpr int64_t kFewEntries = 16;

}  // namespace

IalsRowSolver::IalsRowSolver(const float* table, const float* weighted_gram, int64_t dim)
    : table_(table),
      weighted_gram_(weighted_gram),
      dim_(dim),
      width_((dim + kIalsLanes - 1) / kIalsLanes * kIalsLanes),
      scale_(width_),
      solution_(width_),
      scratch_(3 * width_) {}

void IalsRowSolver::gather(std::span<const int32_t> entries, double lambda) {
  num_entries_ = std::ssize(entries);
  // Room for the largest row so far and some: few rows are large.
  if (rows_.size() < num_entries_ * width_) rows_.reserve(num_entries_ * width_ * 3 / 2);
  row_scale(weighted_gram_, static_cast<float>(lambda), dim_, scale_.data());
  gather_scaled(table_, dim_, entries, scale_.data(), width_, rows_.data());
}

void IalsRowSolver::solve_dual() {
  const int64_t n = num_entries_;
  matrix_.reserve(n * n);
  weights_.reserve(n);
  kernel_matrix(rows_.data(), n, width_, matrix_.data());
  std::fill_n(weights_.data(), n, 1.0F);
  TUTTI_CHECK(solve_positive_definite(matrix_.data(), n, weights_.data()),
              "the identity plus a Gram matrix is positive definite");
  weighted_sum(rows_.data(), n, width_, weights_.data(), solution_.data());
}

void IalsRowSolver::solve_primal() {
  const int64_t n = num_entries_;
  matrix_.reserve(width_ * width_);
  if (weights_.size() < n) weights_.reserve(n * 3 / 2);
  gram_of_block(rows_.data(), n, width_, matrix_.data());
  for (int64_t j = 0; j < width_; ++j) matrix_[j * width_ + j] += 1;
  std::fill_n(weights_.data(), n, 1.0F);
  weighted_sum(rows_.data(), n, width_, weights_.data(), solution_.data());
  TUTTI_CHECK(solve_positive_definite(matrix_.data(), width_, solution_.data()),
              "the identity plus a Gram matrix is positive definite");
}

void IalsRowSolver::solve_by_cg(std::span<const int32_t> entries, double lambda, int steps,
                                float* x) {
  gather(entries, lambda);
  if (num_entries_ <= std::min(kFewEntries, dim_)) {
    solve_dual();
  } else {
    divide(x, scale_.data(), dim_, solution_.data());
    conjugate_gradients(rows_.data(), num_entries_, width_, steps, scratch_.data(),
                        solution_.data());
  }
  multiply(scale_.data(), solution_.data(), dim_, x);
}

void IalsRowSolver::solve_exactly(std::span<const int32_t> entries, double lambda, float* x) {
  gather(entries, lambda);
  if (num_entries_ < dim_) {
    solve_dual();
  } else {
    solve_primal();
  }
  multiply(scale_.data(), solution_.data(), dim_, x);
}

double IalsRowSolver::squared_error() const {
  return ids::squared_error(rows_.data(), num_entries_, width_, solution_.data());
}

}  // namespace tutti::ids
