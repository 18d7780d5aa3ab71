#include "ids/panel_kernel.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "ids/vectorize.h"

// Written once over vectors of a width given by the template, and compiled for each instruction set
// through functions that carry the target: everything below them is inlined into them.
#define TUTTI_INLINE __attribute__((always_inline)) inline

namespace tutti::ids {
namespace {

template <int Lanes>
struct Vectors {
  // may_alias: read from and written to arrays of float and int32_t.
  typedef float Float __attribute__((vector_size(Lanes * 4), may_alias));
  typedef int32_t Int __attribute__((vector_size(Lanes * 4), may_alias));
  typedef float Unaligned __attribute__((vector_size(Lanes * 4), may_alias, aligned(4)));
};

// accumulators[c][v] += x.y_c over all coordinates, for NumVectors vectors of panel rows and
// NumCodes rows of a group.
template <int Lanes, int NumVectors, int NumCodes>
TUTTI_INLINE void multiply_tile(
    const float* panel, const float* group, int64_t dim,
    typename Vectors<Lanes>::Float (&accumulators)[NumCodes][NumVectors]) {
  using Float = typename Vectors<Lanes>::Float;
  for (int64_t d = 0; d < dim; ++d) {
    Float x[NumVectors];
#pragma GCC unroll 8
    for (int v = 0; v < NumVectors; ++v) {
      x[v] = *reinterpret_cast<const Float*>(panel + d * kPanelRows + v * Lanes);
    }
#pragma GCC unroll 8
    for (int c = 0; c < NumCodes; ++c) {
#pragma GCC unroll 8
      for (int v = 0; v < NumVectors; ++v) accumulators[c][v] += x[v] * group[d * kGroupRows + c];
    }
  }
}

template <int Lanes, int NumVectors, int NumCodes>
TUTTI_INLINE void scan_tile(const float* panel, int64_t dim, const float* group, const float* bias,
                            int32_t first_code, float* best, float* second, int32_t* code) {
  using Float = typename Vectors<Lanes>::Float;
  using Int = typename Vectors<Lanes>::Int;
  Float scores[NumCodes][NumVectors];
#pragma GCC unroll 8
  for (int c = 0; c < NumCodes; ++c) {
#pragma GCC unroll 8
    for (int v = 0; v < NumVectors; ++v) scores[c][v] = bias[c] - Float{};
  }
  multiply_tile<Lanes, NumVectors, NumCodes>(panel, group, dim, scores);
#pragma GCC unroll 8
  for (int v = 0; v < NumVectors; ++v) {
    Float b = *reinterpret_cast<Float*>(best + v * Lanes);
    Float s = *reinterpret_cast<Float*>(second + v * Lanes);
    Int k = *reinterpret_cast<Int*>(code + v * Lanes);
#pragma GCC unroll 8
    for (int c = 0; c < NumCodes; ++c) {
      const Float score = scores[c][v];
      const Float loser = score < b ? score : b;
      s = loser > s ? loser : s;
      k = score > b ? Int{} + (first_code + c) : k;
      b = score > b ? score : b;
    }
    *reinterpret_cast<Float*>(best + v * Lanes) = b;
    *reinterpret_cast<Float*>(second + v * Lanes) = s;
    *reinterpret_cast<Int*>(code + v * Lanes) = k;
  }
}

// `NumVectors` vectors of rows at a time as long as rows remain, against all groups.
template <int Lanes, int NumVectors, int NumCodes>
TUTTI_INLINE int64_t scan_rows(const float* panel, int64_t first_row, int64_t count, int64_t dim,
                               const float* groups, const float* bias, int64_t num_groups,
                               int32_t first_code, Leaders* leaders) {
  int64_t row = first_row;
  for (; row + (NumVectors - 1) * Lanes < count && row + NumVectors * Lanes <= kPanelRows;
       row += NumVectors * Lanes) {
    for (int64_t g = 0; g < num_groups; ++g) {
#pragma GCC unroll 2
      for (int c = 0; c < kGroupRows; c += NumCodes) {
        scan_tile<Lanes, NumVectors, NumCodes>(
            panel + row, dim, groups + g * kGroupRows * dim + c, bias + g * kGroupRows + c,
            first_code + static_cast<int32_t>(g * kGroupRows) + c, leaders->best + row,
            leaders->second + row, leaders->code + row);
      }
    }
  }
  return row;
}

template <int Lanes, int NumCodes>
TUTTI_INLINE void scan(const float* panel, int64_t count, int64_t dim, const float* groups,
                       const float* bias, int64_t num_groups, int32_t first_code,
                       Leaders* leaders) {
  int64_t row = scan_rows<Lanes, 3, NumCodes>(panel, 0, count, dim, groups, bias, num_groups,
                                              first_code, leaders);
  row = scan_rows<Lanes, 2, NumCodes>(panel, row, count, dim, groups, bias, num_groups, first_code,
                                      leaders);
  scan_rows<Lanes, 1, NumCodes>(panel, row, count, dim, groups, bias, num_groups, first_code,
                                leaders);
}

template <int Lanes, int NumCodes>
TUTTI_INLINE void multiply(const float* group, const float* panels, int64_t num_panels, int64_t dim,
                           float* out, int64_t stride) {
  using Float = typename Vectors<Lanes>::Float;
  for (int64_t p = 0; p < num_panels; ++p) {
    for (int row = 0; row < kPanelRows; row += 3 * Lanes) {
      for (int c = 0; c < kGroupRows; c += NumCodes) {
        Float products[NumCodes][3] = {};
        multiply_tile<Lanes, 3, NumCodes>(panels + p * kPanelRows * dim + row, group + c, dim,
                                          products);
        float* to = out + c * stride + p * kPanelRows + row;
#pragma GCC unroll 8
        for (int i = 0; i < NumCodes; ++i) {
#pragma GCC unroll 8
          for (int v = 0; v < 3; ++v) {
            using Unaligned = typename Vectors<Lanes>::Unaligned;
            *reinterpret_cast<Unaligned*>(to + i * stride + v * Lanes) = products[i][v];
          }
        }
      }
    }
  }
}

template <int Lanes, typename Float, int... I>
TUTTI_INLINE void interleave(const Float& a, const Float& b, Float* low, Float* high,
                             std::integer_sequence<int, I...>) {
  *low = __builtin_shufflevector(a, b, (I / 2 + I % 2 * Lanes)...);
  *high = __builtin_shufflevector(a, b, (Lanes / 2 + I / 2 + I % 2 * Lanes)...);
}

// to[j * to_stride + i] = from[i * from_stride + j], i, j < Lanes: log2(Lanes) perfect shuffles.
template <int Lanes>
TUTTI_INLINE void transpose_square(const float* from, int64_t from_stride, float* to,
                                   int64_t to_stride) {
  using Float = typename Vectors<Lanes>::Float;
  using Unaligned = typename Vectors<Lanes>::Unaligned;
  Float a[Lanes], b[Lanes];
#pragma GCC unroll 16
  for (int i = 0; i < Lanes; ++i) {
    a[i] = *reinterpret_cast<const Unaligned*>(from + i * from_stride);
  }
#pragma GCC unroll 4
  for (int width = 1; width < Lanes; width *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < Lanes / 2; ++i) {
      interleave<Lanes>(a[i], a[i + Lanes / 2], &b[2 * i], &b[2 * i + 1],
                        std::make_integer_sequence<int, Lanes>());
    }
#pragma GCC unroll 16
    for (int i = 0; i < Lanes; ++i) a[i] = b[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < Lanes; ++i) *reinterpret_cast<Float*>(to + i * to_stride) = a[i];
}

template <int Lanes>
TUTTI_INLINE void pack(const float* rows, int64_t count, int64_t dim, float* panel) {
  int64_t row = 0;
  for (; row + Lanes <= count; row += Lanes) {
    const float* from = rows + row * dim;
    int64_t d = 0;
    for (; d + Lanes <= dim; d += Lanes) {
      transpose_square<Lanes>(from + d, dim, panel + d * kPanelRows + row, kPanelRows);
    }
    for (; d < dim; ++d) {
      for (int i = 0; i < Lanes; ++i) panel[d * kPanelRows + row + i] = from[i * dim + d];
    }
  }
  for (int64_t d = 0; d < dim; ++d) {
    for (int64_t i = row; i < count; ++i) panel[d * kPanelRows + i] = rows[i * dim + d];
    for (int64_t i = count; i < kPanelRows; ++i) panel[d * kPanelRows + i] = 0;
  }
}

struct Kernels {
  decltype(&pack_panel) pack;
  decltype(&scan_codes) scan;
  decltype(&multiply_panels) multiply;
};

// NOLINTBEGIN(bugprone-macro-parentheses): `target` is an attribute or nothing.
// 16 registers of 4 lanes, or of 8: 3 x 4 accumulators; 32 registers of 16 lanes: 3 x 8.
#define TUTTI_KERNELS(suffix, target, lanes, codes)                                              \
  target void pack_##suffix(const float* rows, int64_t count, int64_t dim, float* panel) {       \
    pack<lanes>(rows, count, dim, panel);                                                        \
  }                                                                                              \
  target void scan_##suffix(const float* panel, int64_t count, int64_t dim, const float* groups, \
                            const float* bias, int64_t num_groups, int32_t first_code,           \
                            Leaders* leaders) {                                                  \
    scan<lanes, codes>(panel, count, dim, groups, bias, num_groups, first_code, leaders);        \
  }                                                                                              \
  target void multiply_##suffix(const float* group, const float* panels, int64_t num_panels,     \
                                int64_t dim, float* out, int64_t stride) {                       \
    multiply<lanes, codes>(group, panels, num_panels, dim, out, stride);                         \
  }                                                                                              \
  constexpr Kernels kKernels_##suffix = {pack_##suffix, scan_##suffix, multiply_##suffix};

// NOLINTEND(bugprone-macro-parentheses)

TUTTI_KERNELS(baseline, , 4, 4)
#if defined(__x86_64__)
TUTTI_KERNELS(avx2, __attribute__((target("avx2,fma"))), 8, 4)
TUTTI_KERNELS(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), 16, 8)
#endif

Kernels widest_kernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return kKernels_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kKernels_avx2;
#endif
  return kKernels_baseline;
}

const Kernels& kernels() {
  static const Kernels chosen = widest_kernels();
  return chosen;
}

}  // namespace

void Leaders::clear() {
  std::fill_n(best, kPanelRows, -std::numeric_limits<float>::infinity());
  std::fill_n(second, kPanelRows, -std::numeric_limits<float>::infinity());
  std::fill_n(code, kPanelRows, 0);
}

void pack_panel(const float* rows, int64_t count, int64_t dim, float* panel) {
  kernels().pack(rows, count, dim, panel);
}

void pack_group(const float* rows, int64_t count, int64_t dim, float* group) {
  for (int64_t d = 0; d < dim; ++d) {
    for (int64_t r = 0; r < count; ++r) group[d * kGroupRows + r] = rows[r * dim + d];
    for (int64_t r = count; r < kGroupRows; ++r) group[d * kGroupRows + r] = 0;
  }
}

TUTTI_VECTORIZED
void panel_squared_norms(const float* panel, int64_t dim, float* norms) {
  float sums[kPanelRows] = {};
  for (int64_t d = 0; d < dim; ++d) {
    for (int64_t r = 0; r < kPanelRows; ++r) {
      sums[r] += panel[d * kPanelRows + r] * panel[d * kPanelRows + r];
    }
  }
  std::copy_n(sums, kPanelRows, norms);
}

void scan_codes(const float* panel, int64_t count, int64_t dim, const float* groups,
                const float* bias, int64_t num_groups, int32_t first_code, Leaders* leaders) {
  kernels().scan(panel, count, dim, groups, bias, num_groups, first_code, leaders);
}

void multiply_panels(const float* group, const float* panels, int64_t num_panels, int64_t dim,
                     float* out, int64_t stride) {
  kernels().multiply(group, panels, num_panels, dim, out, stride);
}

}  // namespace tutti::ids
