#pragma once

#include <cstdint>

namespace tutti::ids {

// A fp32 matrix in memory, element (i, j) at data[i * row_stride + j * column_stride]; one of the
// strides is 1.
struct MatrixView {
  const float* data;
  int64_t row_stride, column_stride;
};

// out[m, n] = a[m, k] b[k, n] + (add ? out : 0), rows of `out` contiguous and `out_stride` apart.
// By tiles of 64 x 64, each a call of the micro-kernel inside oneDNN (brgemm, which libtorch
// exports): a call of a whole oneDNN product costs some 13 us before it multiplies, as much as a
// product of 64 x 128 x 128. A transposed operand is laid out anew once. On the threads that ATen
// is set to; the same bytes for any number, and each row's bytes are the same whatever rows stand
// around it. Sums run along k in pieces of at most 512.
//
// Only where has_tile_gemm().
void tile_gemm(const MatrixView& a, const MatrixView& b, float* out, int64_t out_stride, int64_t m,
               int64_t k, int64_t n, bool add);

// Whether this build reaches the micro-kernel and this CPU has one (AVX-512).
bool has_tile_gemm();

}  // namespace tutti::ids
