#pragma once

#include <cstdint>

// A product with few rows on its left: a title of a few tokens, the first position of a search. It
// reads every weight for little arithmetic, so that memory is its bound; libraries made for large
// products lay the weights out anew first, or run on one thread.
namespace tutti::trainer {

// Where it is the faster way: for few rows, and for some more below the product that pays the call
// of oneDNN (ids/gemm.cc).
constexpr bool is_few_rows(int64_t rows, int64_t weights) {
  return rows <= 4 || (rows <= 16 && rows * weights < int64_t{1} << 21);
}

// out[r, j] = x[r] . w[j] + (add ? out[r, j] : 0), fp32: x [rows, k], w [columns, k] and out [rows,
// columns], all contiguous. On the threads that ATen is set to; the same bytes for any number.
void multiply_few_rows(const float* x, int64_t rows, const float* w, int64_t columns, int64_t k,
                       float* out, bool add);

}  // namespace tutti::trainer
