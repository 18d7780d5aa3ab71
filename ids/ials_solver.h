#pragma once

#include <cstdint>
#include <span>

#include "ids/matrix.h"

namespace tutti::ids {

// One row of a half epoch: (sum_{i in S} h_i h_i^T + alpha0 G + lambda I) x = sum_{i in S} h_i,
// where h are rows of the other side's table. One object a thread.
class IalsRowSolver {
 public:
  // `gram` [dim, dim] is alpha0 G.
  IalsRowSolver(const float* table, const float* gram, int64_t dim)
      : table_(table), gram_(gram), dim_(dim) {}

  // Solves from `x` as the start. `steps` of conjugate gradients with the matrix left implicit.
  void solve_by_cg(std::span<const int32_t> entries, float lambda, int steps, float* x);
  void solve_exactly(std::span<const int32_t> entries, float lambda, float* x);

 private:
  void gather(std::span<const int32_t> entries);
  void apply(int64_t num_entries, float lambda, const float* v, float* out);

  const float* table_;
  const float* gram_;
  int64_t dim_;
  AlignedFloats rows_;      // [entries, dim]
  AlignedFloats products_;  // [entries]
  AlignedFloats matrix_, residual_, direction_, image_;
};

}  // namespace tutti::ids
