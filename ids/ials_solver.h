#pragma once

#include <cstdint>
#include <span>

#include "ids/matrix.h"

namespace tutti::ids {

// Solves the rows of one half epoch, each from the rows h_i of the other side's table:
//   (sum_{i in S} h_i h_i^T + alpha0 G + lambda I) x = sum_{i in S} h_i
// in the basis where the Gram matrix G = diag(g). With s_j = 1 / sqrt(alpha0 g_j + lambda),
// y_i = s * h_i and x = s * z this is
//   (I + Y^T Y) z = Y^T 1,   Y [n, dim]:
// no product with G is left, and the matrix differs from the identity in n directions only. So
// conjugate gradients needs few steps, none beyond n, and below dim entries the exact solution is
// z = Y^T (I + Y Y^T)^-1 1, a system of n unknowns (Woodbury). One object a thread.
class IalsRowSolver {
 public:
  // `table` [.., dim] and `weighted_gram` [dim], alpha0 g, stay the caller's.
  IalsRowSolver(const float* table, const float* weighted_gram, int64_t dim);

  // At most `steps` of conjugate gradients from `x`; exact where that costs no more.
  void solve_by_cg(std::span<const int32_t> entries, double lambda, int steps, float* x);
  void solve_exactly(std::span<const int32_t> entries, double lambda, float* x);

  // sum_{i in S} (1 - h_i.x)^2 of the row solved last.
  double squared_error() const;

 private:
  void gather(std::span<const int32_t> entries, double lambda);
  void solve_dual();    // n unknowns
  void solve_primal();  // dim unknowns

  const float* table_;
  const float* weighted_gram_;
  int64_t dim_, width_;
  int64_t num_entries_ = 0;
  AlignedFloats rows_;    // Y [n, width]
  AlignedFloats matrix_;  // of the system solved exactly
  AlignedFloats scale_, solution_, scratch_, weights_;
};

}  // namespace tutti::ids
