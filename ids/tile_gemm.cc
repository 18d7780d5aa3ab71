#include "ids/tile_gemm.h"

#include <algorithm>
#include <vector>

#include "dist/runtime/errors.h"

#ifdef TUTTI_BRGEMM
#include <fbgemm/Utils.h>

#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <c10/util/Exception.h>
#endif

namespace tutti::ids {

#ifdef TUTTI_BRGEMM
namespace {

// oneDNN compiles a kernel for each size and each distance of rows that it meets: tails are cut to
// multiples of a grain and a rest below it.
struct Cut {
  int64_t tile, grain;

  int64_t next(int64_t left) const {
    if (left >= tile) return tile;
    return left >= grain ? left / grain * grain : left;
  }
};
constexpr Cut kRows{64, 8}, kColumns{64, 16}, kDepth{512, 32};
constexpr int64_t kMultiplyAddsPerTask = int64_t{1} << 21;  // about 20 us

int64_t tiles_of(int64_t length, const Cut& cut) {
  return (length + cut.tile - 1) / cut.tile;
}

// Kept between calls; made anew its pages would cost more than the product.
float* scratch(std::vector<float>& kept, int64_t size) {
  if (std::ssize(kept) < size) kept.resize(size);
  return kept.data();
}

// A piece of the product along k.
struct Slab {
  MatrixView a, b;  // rows of `a` and rows of `b` contiguous, or b_panels
  bool b_panels;    // b is laid out as panels [depth, 64], one behind the other
  int64_t depth;
  bool add;
};

void multiply_tile(const Slab& s, float* out, int64_t out_stride, int64_t m, int64_t n, int64_t row,
                   int64_t column) {
  const int64_t rows = std::min(kRows.tile, m - row), columns = std::min(kColumns.tile, n - column);
  const float* const b = s.b.data + (s.b_panels ? column * s.depth : column);
  for (int64_t i = 0; i < rows;) {
    const int64_t height = kRows.next(rows - i);
    for (int64_t j = 0; j < columns;) {
      const int64_t width = kColumns.next(columns - j);
      at::native::cpublas::brgemm(height, width, s.depth, s.a.row_stride, s.b.row_stride,
                                  out_stride, s.add, s.a.data + (row + i) * s.a.row_stride, b + j,
                                  out + (row + i) * out_stride + column + j);
      j += width;
    }
    i += height;
  }
}

// `a` [m, depth] with its rows made contiguous.
MatrixView pack_rows(const MatrixView& a, int64_t m, int64_t depth) {
  thread_local std::vector<float> kept;
  const int64_t stride = depth < 64 ? depth : depth + 16;  // rows do not share their cache sets
  float* const packed = scratch(kept, m * stride);
  at::parallel_for(0, tiles_of(m, kRows), std::max<int64_t>(1, 65536 / depth / kRows.tile),
                   [&](int64_t first, int64_t last) {
                     const int64_t begin = first * kRows.tile, end = std::min(m, last * kRows.tile);
                     fbgemm::transpose_simd(depth, end - begin, a.data + begin, a.column_stride,
                                            packed + begin * stride, stride);
                   });
  return {packed, stride, 1};
}

// `b` [depth, n], whose columns are contiguous, as panels [depth, 64].
MatrixView pack_panels(const MatrixView& b, int64_t depth, int64_t n) {
  thread_local std::vector<float> kept;
  float* const packed = scratch(kept, tiles_of(n, kColumns) * kColumns.tile * depth);
  at::parallel_for(0, tiles_of(n, kColumns), std::max<int64_t>(1, 65536 / depth / kColumns.tile),
                   [&](int64_t first, int64_t last) {
                     for (int64_t panel = first; panel < last; ++panel) {
                       const int64_t column = panel * kColumns.tile;
                       fbgemm::transpose_simd(std::min(kColumns.tile, n - column), depth,
                                              b.data + column * b.column_stride, b.column_stride,
                                              packed + column * depth, kColumns.tile);
                     }
                   });
  return {packed, kColumns.tile, 1};
}

}  // namespace

void tile_gemm(const MatrixView& a, const MatrixView& b, float* out, int64_t out_stride, int64_t m,
               int64_t k, int64_t n, bool add) {
  TUTTI_CHECK(a.row_stride == 1 || a.column_stride == 1, "an operand lies in rows or columns");
  TUTTI_CHECK(b.row_stride == 1 || b.column_stride == 1, "an operand lies in rows or columns");
  const int64_t column_tiles = tiles_of(n, kColumns), tiles = tiles_of(m, kRows) * column_tiles;
  for (int64_t first = 0; first < k;) {
    const int64_t depth = kDepth.next(k - first);
    const MatrixView a_piece{a.data + first * a.column_stride, a.row_stride, a.column_stride};
    const MatrixView b_piece{b.data + first * b.row_stride, b.row_stride, b.column_stride};
    const bool b_panels = b.column_stride != 1;
    const Slab slab{a.column_stride == 1 ? a_piece : pack_rows(a_piece, m, depth),
                    b_panels ? pack_panels(b_piece, depth, n) : b_piece, b_panels, depth,
                    add || first > 0};
    at::parallel_for(
        0, tiles, std::max<int64_t>(1, kMultiplyAddsPerTask / (kRows.tile * kColumns.tile * depth)),
        [&](int64_t begin, int64_t end) {
          for (int64_t t = begin; t < end; ++t)
            multiply_tile(slab, out, out_stride, m, n, t / column_tiles * kRows.tile,
                          t % column_tiles * kColumns.tile);
        });
    first += depth;
  }
}

bool has_tile_gemm() {
  static const bool has = [] {
    const float one = 1;
    float product = 0;
    try {
      at::native::cpublas::brgemm(1, 1, 1, 1, 1, 1, /*add_C=*/false, &one, &one, &product);
    } catch (const c10::Error&) {  // its way of saying that the CPU has no such kernel
      return false;
    }
    return product == 1;
  }();
  return has;
}
#else
void tile_gemm(const MatrixView&, const MatrixView&, float*, int64_t, int64_t, int64_t, int64_t,
               bool) {
  TUTTI_CHECK(false, "this libtorch has no micro-kernel");
}

bool has_tile_gemm() {
  return false;
}
#endif

}  // namespace tutti::ids
