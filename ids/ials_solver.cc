#include "ids/ials_solver.h"

#include <algorithm>
#include <cstring>

#include "dist/runtime/errors.h"
#include "ids/vector_ops.h"

namespace tutti::ids {

void IalsRowSolver::gather(std::span<const int32_t> entries) {
  const int64_t n = std::ssize(entries);
  // Room for the largest row so far and some: few rows are large.
  if (rows_.size() < n * dim_) rows_.reserve(n * dim_ * 3 / 2);
  if (products_.size() < n) products_.reserve(n * 3 / 2);
  for (int64_t i = 0; i < n; ++i) {
    std::memcpy(rows_.data() + i * dim_, table_ + entries[i] * dim_, dim_ * sizeof(float));
  }
}

void IalsRowSolver::apply(int64_t num_entries, float lambda, const float* v, float* out) {
  rows_times_vector(gram_, dim_, dim_, v, out);
  for (int64_t j = 0; j < dim_; ++j) out[j] += lambda * v[j];
  rows_times_vector(rows_.data(), num_entries, dim_, v, products_.data());
  add_weighted_rows(rows_.data(), num_entries, dim_, products_.data(), out);
}

void IalsRowSolver::solve_by_cg(std::span<const int32_t> entries, float lambda, int steps,
                                float* x) {
  const int64_t n = std::ssize(entries);
  gather(entries);
  residual_.reserve(dim_);
  direction_.reserve(dim_);
  image_.reserve(dim_);
  float *r = residual_.data(), *p = direction_.data(), *ap = image_.data();

  // r = b - A x, in one pass over the entries: sum_i (1 - h_i.x) h_i - (alpha0 G + lambda) x.
  rows_times_vector(gram_, dim_, dim_, x, r);
  for (int64_t j = 0; j < dim_; ++j) r[j] = -r[j] - lambda * x[j];
  rows_times_vector(rows_.data(), n, dim_, x, products_.data());
  for (int64_t i = 0; i < n; ++i) products_[i] = 1 - products_[i];
  add_weighted_rows(rows_.data(), n, dim_, products_.data(), r);
  std::copy_n(r, dim_, p);
  double energy = squared_norm(r, dim_);
  for (int step = 0; step < steps && energy > 1e-20; ++step) {
    apply(n, lambda, p, ap);
    double curvature = 0;
    for (int64_t j = 0; j < dim_; ++j) curvature += static_cast<double>(p[j]) * ap[j];
    if (!(curvature > 0)) return;
    const auto length = static_cast<float>(energy / curvature);
    for (int64_t j = 0; j < dim_; ++j) {
      x[j] += length * p[j];
      r[j] -= length * ap[j];
    }
    const double before = energy;
    energy = squared_norm(r, dim_);
    const auto keep = static_cast<float>(energy / before);
    for (int64_t j = 0; j < dim_; ++j) p[j] = r[j] + keep * p[j];
  }
}

void IalsRowSolver::solve_exactly(std::span<const int32_t> entries, float lambda, float* x) {
  const int64_t n = std::ssize(entries);
  gather(entries);
  matrix_.reserve(dim_ * dim_);
  gram_of_block(rows_.data(), n, dim_, matrix_.data());
  for (int64_t j = 0; j < dim_ * dim_; ++j) matrix_[j] += gram_[j];
  for (int64_t j = 0; j < dim_; ++j) matrix_[j * dim_ + j] += lambda;
  std::fill_n(x, dim_, 0.0F);
  std::fill_n(products_.data(), n, 1.0F);
  add_weighted_rows(rows_.data(), n, dim_, products_.data(), x);
  TUTTI_CHECK(solve_positive_definite(matrix_.data(), dim_, x),
              "a regularised normal matrix is positive definite");
}

}  // namespace tutti::ids
