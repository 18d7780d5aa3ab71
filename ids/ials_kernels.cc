#include "ids/ials_kernels.h"

#include <algorithm>
#include <cmath>

#include "ids/vectorize.h"

namespace tutti::ids {
namespace {

// One register of AVX-512; two or four of smaller machines.
using Lanes = float __attribute__((vector_size(kIalsLanes * sizeof(float)), may_alias));

// Takes part in the caller's compilation for each CPU type.
#define TUTTI_INLINE inline __attribute__((always_inline))

TUTTI_INLINE Lanes* lanes(float* p) {
  return reinterpret_cast<Lanes*>(p);
}

TUTTI_INLINE const Lanes* lanes(const float* p) {
  return reinterpret_cast<const Lanes*>(p);
}

TUTTI_INLINE float sum_of(const Lanes& v) {
  alignas(Lanes) float s[kIalsLanes];
  *lanes(s) = v;
  for (int step = kIalsLanes / 2; step > 0; step /= 2) {
    for (int l = 0; l < step; ++l) s[l] += s[l + step];
  }
  return s[0];
}

TUTTI_INLINE float dot(const float* a, const float* b, int64_t width) {
  Lanes sum{};
  for (int64_t j = 0; j < width / kIalsLanes; ++j) sum += lanes(a)[j] * lanes(b)[j];
  return sum_of(sum);
}

// out += Y^T (bias + factor * Y v), each row of y read once.
TUTTI_INLINE void add_normal_product(const float* y, int64_t n, int64_t width, const float* v,
                                     float bias, float factor, float* out) {
  const int64_t blocks = width / kIalsLanes;
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const Lanes *a = lanes(y + i * width), *b = a + blocks, *c = b + blocks, *d = c + blocks;
    Lanes sa{}, sb{}, sc{}, sd{};
    for (int64_t j = 0; j < blocks; ++j) {
      const Lanes x = lanes(v)[j];
      sa += a[j] * x;
      sb += b[j] * x;
      sc += c[j] * x;
      sd += d[j] * x;
    }
    const float wa = bias + factor * sum_of(sa), wb = bias + factor * sum_of(sb),
                wc = bias + factor * sum_of(sc), wd = bias + factor * sum_of(sd);
    for (int64_t j = 0; j < blocks; ++j) {
      lanes(out)[j] += (wa * a[j] + wb * b[j]) + (wc * c[j] + wd * d[j]);
    }
  }
  for (; i < n; ++i) {
    const float* a = y + i * width;
    const float w = bias + factor * dot(a, v, width);
    for (int64_t j = 0; j < blocks; ++j) lanes(out)[j] += w * lanes(a)[j];
  }
}

// A 4 x 4 tile of Y Y^T: rows from i, columns from j; those past `last` repeat the row `last`.
TUTTI_INLINE void kernel_tile(const float* y, int64_t width, int64_t last, int64_t i, int64_t j,
                              float tile[4][4]) {
  const Lanes *a[4], *b[4];
  for (int r = 0; r < 4; ++r) {
    a[r] = lanes(y + std::min(i + r, last) * width);
    b[r] = lanes(y + std::min(j + r, last) * width);
  }
  Lanes sums[4][4] = {};
  for (int64_t l = 0; l < width / kIalsLanes; ++l) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) sums[r][c] += a[r][l] * b[c][l];
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) tile[r][c] = sum_of(sums[r][c]);
  }
}

}  // namespace

TUTTI_VECTORIZED
void row_scale(const float* weighted_gram, float ridge, int64_t dim, float* scale) {
  for (int64_t j = 0; j < dim; ++j) scale[j] = 1 / std::sqrt(weighted_gram[j] + ridge);
}

TUTTI_VECTORIZED
void multiply(const float* a, const float* b, int64_t n, float* out) {
  for (int64_t j = 0; j < n; ++j) out[j] = a[j] * b[j];
}

TUTTI_VECTORIZED
void divide(const float* a, const float* b, int64_t n, float* out) {
  for (int64_t j = 0; j < n; ++j) out[j] = a[j] / b[j];
}

TUTTI_VECTORIZED
void gather_scaled(const float* table, int64_t dim, std::span<const int32_t> entries,
                   const float* scale, int64_t width, float* y) {
  constexpr int64_t kAhead = 12;  // rows: about what is under way from memory at a time
  const int64_t n = std::ssize(entries);
  for (int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) {
      const float* next = table + entries[i + kAhead] * dim;
      for (int64_t j = 0; j < dim; j += kIalsLanes) __builtin_prefetch(next + j);
    }
    const float* row = table + entries[i] * dim;
    float* out = y + i * width;
    for (int64_t j = 0; j < dim; ++j) out[j] = scale[j] * row[j];
    for (int64_t j = dim; j < width; ++j) out[j] = 0;
  }
}

TUTTI_VECTORIZED
void conjugate_gradients(const float* y, int64_t n, int64_t width, int steps, float* scratch,
                         float* z) {
  const int64_t blocks = width / kIalsLanes;
  float *r = scratch, *p = r + width, *ap = p + width;
  // r = Y^T (1 - Y z) - z
  for (int64_t j = 0; j < blocks; ++j) lanes(r)[j] = -lanes(z)[j];
  add_normal_product(y, n, width, z, 1, -1, r);
  for (int64_t j = 0; j < blocks; ++j) lanes(p)[j] = lanes(r)[j];
  float energy = dot(r, r, width);
  for (int step = 0; step < steps && energy > 1e-20F; ++step) {
    for (int64_t j = 0; j < blocks; ++j) lanes(ap)[j] = lanes(p)[j];
    add_normal_product(y, n, width, p, 0, 1, ap);
    const float length = energy / dot(p, ap, width);
    for (int64_t j = 0; j < blocks; ++j) {
      lanes(z)[j] += length * lanes(p)[j];
      lanes(r)[j] -= length * lanes(ap)[j];
    }
    const float before = energy;
    energy = dot(r, r, width);
    const float keep = energy / before;
    for (int64_t j = 0; j < blocks; ++j) lanes(p)[j] = lanes(r)[j] + keep * lanes(p)[j];
  }
}

TUTTI_VECTORIZED
void kernel_matrix(const float* y, int64_t n, int64_t width, float* k) {
  for (int64_t i = 0; i < n; i += 4) {
    for (int64_t j = 0; j <= i; j += 4) {
      float tile[4][4];
      kernel_tile(y, width, n - 1, i, j, tile);
      for (int64_t r = 0; r < std::min<int64_t>(4, n - i); ++r) {
        for (int64_t c = 0; c < std::min<int64_t>(4, n - j); ++c) {
          k[(i + r) * n + j + c] = tile[r][c];
        }
      }
    }
  }
  for (int64_t i = 0; i < n; ++i) k[i * n + i] += 1;
}

TUTTI_VECTORIZED
void weighted_sum(const float* y, int64_t n, int64_t width, const float* weights, float* z) {
  for (int64_t j = 0; j < width / kIalsLanes; ++j) lanes(z)[j] = Lanes{};
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < width / kIalsLanes; ++j) {
      lanes(z)[j] += weights[i] * lanes(y + i * width)[j];
    }
  }
}

TUTTI_VECTORIZED
double squared_error(const float* y, int64_t n, int64_t width, const float* z) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double error = 1 - dot(y + i * width, z, width);
    sum += error * error;
  }
  return sum;
}

}  // namespace tutti::ids
