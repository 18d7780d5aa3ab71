#pragma once

#include <cstdint>
#include <span>

#include "dist/runtime/thread_pool.h"
#include "ids/ials.h"
#include "ids/interactions.h"

namespace tutti::ids {

// What a rank solves in half an epoch: rows of one side, given the other side's whole table in the
// basis where its Gram matrix is diagonal.
struct HalfEpoch {
  const SparseRows& rows;
  const float* other;  // [num_other, dim]
  int64_t num_other;
  std::span<const float> spectrum;  // [dim], the diagonal of other's Gram matrix
  bool exact;                       // Cholesky; else conjugate gradients from what `own` holds
};

struct RowSums {
  double squared_error = 0;  // sum over entries of (1 - w.h)^2
  double penalty = 0;        // sum over rows of lambda_row |x|^2
};

// lambda (n + alpha0 num_other)^nu
double row_penalty(const IalsOptions& options, int64_t num_entries, int64_t num_other);

// Solves each row of `own` [rows, dim]; one without entries becomes zero. A row is one thread's and
// depends on nothing but its entries; sums are added up in order. `sums` may be null.
void solve_rows(const HalfEpoch& half, const IalsOptions& options, float* own, RowSums* sums,
                ThreadPool& pool);

}  // namespace tutti::ids
