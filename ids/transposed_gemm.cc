#include "ids/transposed_gemm.h"

#include <algorithm>
#include <cstring>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>

#include "dist/runtime/errors.h"
#include "ids/gemm_meter.h"
#include "ids/vectorize.h"

#if defined(TUTTI_BRGEMM) && defined(__x86_64__)
#define TUTTI_HAS_TILE_PRODUCT
// oneDNN's kernel for a tile, exported by libtorch_cpu without a header (the build checks that it
// links). c[m, n] (fp32) = or += a[m, k] b[k, n]; b's rows stand in pairs, [k / 2, n, 2]. Strides
// are in elements.
namespace at::native::cpublas {
void brgemm(int64_t m, int64_t n, int64_t k, int64_t a_stride, int64_t b_stride, int64_t c_stride,
            bool adds, const c10::BFloat16* a, const c10::BFloat16* b, float* c, bool in_pairs);
void brgemm_release(bool in_pairs);
}  // namespace at::native::cpublas
#endif

namespace tutti::ids {
namespace {

using c10::BFloat16;

bool is_here() {
#ifdef TUTTI_HAS_TILE_PRODUCT
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

// Of a tile: rows of `out`, columns of `out`, and pairs of rows of a and b.
constexpr int64_t kRows = 64, kColumns = 256, kPairs = 256;
constexpr int64_t kBlock = 8;  // pairs and columns that are transposed in registers

// A pair is the element of an even row (low half) and that of the row below.
using Pairs = uint32_t __attribute__((vector_size(32)));
using Elements = uint16_t __attribute__((vector_size(16)));

[[gnu::always_inline]] inline void load_pairs(const BFloat16* even, const BFloat16* odd,
                                              Pairs& out) {
  Elements low, high;
  std::memcpy(&low, even, sizeof(low));
  std::memcpy(&high, odd, sizeof(high));
  out = __builtin_convertvector(low, Pairs) | (__builtin_convertvector(high, Pairs) << 16);
}

uint32_t pair_at(const BFloat16* even, const BFloat16* odd, int64_t column) {
  const uint32_t high = odd == nullptr ? 0U : odd[column].x;
  return even[column].x | (high << 16);
}

// A row of pairs; `odd` null: zeros.
TUTTI_VECTORIZED void pair_rows(const BFloat16* even, const BFloat16* odd, uint32_t* out,
                                int64_t n) {
  int64_t i = 0;
  for (; odd != nullptr && i + kBlock <= n; i += kBlock) {
    Pairs pairs;
    load_pairs(even + i, odd + i, pairs);
    std::memcpy(out + i, &pairs, sizeof(pairs));
  }
  for (; i < n; ++i) out[i] = pair_at(even, odd, i);
}

// Eight rows of eight numbers, transposed in three rounds: neighbours, pairs of them, halves.
[[gnu::always_inline]] inline void transpose_block(Pairs (&rows)[kBlock]) {
  Pairs one[kBlock], two[kBlock];
  for (int64_t i = 0; i < kBlock; i += 2) {
    one[i] = __builtin_shufflevector(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    one[i + 1] = __builtin_shufflevector(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int64_t i = 0; i < kBlock; i += 4) {
    for (int64_t j = 0; j < 2; ++j) {
      two[i + 2 * j] =
          __builtin_shufflevector(one[i + j], one[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      two[i + 2 * j + 1] =
          __builtin_shufflevector(one[i + j], one[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int64_t i = 0; i < kBlock / 2; ++i) {
    rows[i] = __builtin_shufflevector(two[i], two[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    rows[i + 4] = __builtin_shufflevector(two[i], two[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// a [k, columns] -> out [columns, width] pairs, zero where a has no row.
TUTTI_VECTORIZED void transpose_in_pairs(const BFloat16* a, int64_t stride, int64_t k,
                                         int64_t columns, uint32_t* out, int64_t width) {
  const int64_t pairs = (k + 1) / 2;
  for (int64_t first = 0; first < pairs; first += kBlock) {
    const bool is_full = 2 * (first + kBlock) <= k;
    int64_t column = 0;
    for (; is_full && column + kBlock <= columns; column += kBlock) {
      Pairs block[kBlock];
      for (int64_t i = 0; i < kBlock; ++i) {
        const BFloat16* even = a + 2 * (first + i) * stride + column;
        load_pairs(even, even + stride, block[i]);
      }
      transpose_block(block);
      for (int64_t i = 0; i < kBlock; ++i) {
        std::memcpy(out + (column + i) * width + first, &block[i], sizeof(block[i]));
      }
    }
    for (; column < columns; ++column) {
      for (int64_t p = first; p < std::min(first + kBlock, pairs); ++p) {
        const BFloat16* even = a + 2 * p * stride;
        out[column * width + p] = pair_at(even, 2 * p + 1 < k ? even + stride : nullptr, column);
      }
    }
  }
}

struct Tile {
  int64_t m, n, k;
  int64_t a_stride, b_stride, c_stride;  // in elements
};
// c += a b
void add_tile([[maybe_unused]] const Tile& t, [[maybe_unused]] const uint32_t* a,
              [[maybe_unused]] const uint32_t* b, [[maybe_unused]] float* c) {
#ifdef TUTTI_HAS_TILE_PRODUCT
  at::native::cpublas::brgemm(t.m, t.n, t.k, t.a_stride, t.b_stride, t.c_stride, /*adds=*/true,
                              reinterpret_cast<const BFloat16*>(a),
                              reinterpret_cast<const BFloat16*>(b), c, /*in_pairs=*/true);
#endif
}
void end_tiles() {
#ifdef TUTTI_HAS_TILE_PRODUCT
  at::native::cpublas::brgemm_release(/*in_pairs=*/true);
#endif
}

// No power of two: rows of a tile would fight for the same lines of the cache.
int64_t width_of(int64_t pairs) {
  return (pairs + 15) / 16 * 16 | 16;
}

}  // namespace

bool add_transposed_product(const at::Tensor& a, const at::Tensor& b, at::Tensor& out) {
  const int64_t k = a.size(0), m = a.size(1), n = b.size(1);
  TUTTI_CHECK(b.size(0) == k && out.size(0) == m && out.size(1) == n, "shapes of a product");
  TUTTI_CHECK(a.stride(1) == 1 && b.stride(1) == 1 && out.stride(1) == 1, "rows are contiguous");
  if (!is_here()) return false;
  const MeteredProduct metered(m, k, n);
  const int64_t pairs = (k + 1) / 2, width = width_of(pairs);
  const auto *from_a = a.const_data_ptr<BFloat16>(), *from_b = b.const_data_ptr<BFloat16>();
  auto* to = out.mutable_data_ptr<float>();
  at::Tensor paired = at::empty({pairs, n}, at::kInt);
  auto* b_pairs = reinterpret_cast<uint32_t*>(paired.mutable_data_ptr<int32_t>());
  at::parallel_for(0, pairs, std::max<int64_t>(1, 16384 / n), [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      const BFloat16* even = from_b + 2 * p * b.stride(0);
      pair_rows(even, 2 * p + 1 < k ? even + b.stride(0) : nullptr, b_pairs + p * n, n);
    }
  });
  at::parallel_for(0, (m + kRows - 1) / kRows, 1, [&](int64_t first, int64_t last) {
    at::Tensor transposed = at::empty({kRows, width}, at::kInt);
    auto* a_pairs = reinterpret_cast<uint32_t*>(transposed.mutable_data_ptr<int32_t>());
    for (int64_t row = first * kRows; row < std::min(m, last * kRows); row += kRows) {
      const int64_t rows = std::min(kRows, m - row);
      transpose_in_pairs(from_a + row, a.stride(0), k, rows, a_pairs, width);
      for (int64_t p = 0; p < pairs; p += kPairs) {
        for (int64_t column = 0; column < n; column += kColumns) {
          add_tile({.m = rows,
                    .n = std::min(kColumns, n - column),
                    .k = 2 * std::min(kPairs, pairs - p),
                    .a_stride = 2 * width,
                    .b_stride = n,
                    .c_stride = out.stride(0)},
                   a_pairs + p, b_pairs + p * n + column, to + row * out.stride(0) + column);
        }
      }
    }
    end_tiles();
  });
  return true;
}

}  // namespace tutti::ids
