#include "ids/vector_ops.h"

#include <cmath>

#include "ids/vectorize.h"

namespace tutti::ids {
namespace {

constexpr int kLanes = 16;  // fp32 lanes of a dot product
constexpr int kDoubleLanes = 8;

}  // namespace

TUTTI_VECTORIZED
double squared_distance(const float* a, const float* b, int64_t dim) {
  double lanes[kDoubleLanes] = {};
  int64_t j = 0;
  for (; j + kDoubleLanes <= dim; j += kDoubleLanes) {
    for (int l = 0; l < kDoubleLanes; ++l) {
      const double d = static_cast<double>(a[j + l]) - static_cast<double>(b[j + l]);
      lanes[l] += d * d;
    }
  }
  for (int l = 0; j + l < dim; ++l) {
    const double d = static_cast<double>(a[j + l]) - static_cast<double>(b[j + l]);
    lanes[l] += d * d;
  }
  for (int step = kDoubleLanes / 2; step > 0; step /= 2) {
    for (int l = 0; l < step; ++l) lanes[l] += lanes[l + step];
  }
  return lanes[0];
}

TUTTI_VECTORIZED
double squared_distance(const float* a, std::span<const float* const> terms, int64_t dim) {
  double lanes[kDoubleLanes] = {};
  int64_t j = 0;
  for (; j + kDoubleLanes <= dim; j += kDoubleLanes) {
    double left[kDoubleLanes];
    for (int l = 0; l < kDoubleLanes; ++l) left[l] = a[j + l];
    for (const float* term : terms) {
      for (int l = 0; l < kDoubleLanes; ++l) left[l] -= term[j + l];
    }
    for (int l = 0; l < kDoubleLanes; ++l) lanes[l] += left[l] * left[l];
  }
  for (int l = 0; j + l < dim; ++l) {
    double left = a[j + l];
    for (const float* term : terms) left -= term[j + l];
    lanes[l] += left * left;
  }
  for (int step = kDoubleLanes / 2; step > 0; step /= 2) {
    for (int l = 0; l < step; ++l) lanes[l] += lanes[l + step];
  }
  return lanes[0];
}

TUTTI_VECTORIZED
double squared_norm(const float* a, int64_t dim) {
  double lanes[kDoubleLanes] = {};
  int64_t j = 0;
  for (; j + kDoubleLanes <= dim; j += kDoubleLanes) {
    for (int l = 0; l < kDoubleLanes; ++l) {
      const double d = a[j + l];
      lanes[l] += d * d;
    }
  }
  for (int l = 0; j + l < dim; ++l) {
    const double d = a[j + l];
    lanes[l] += d * d;
  }
  for (int step = kDoubleLanes / 2; step > 0; step /= 2) {
    for (int l = 0; l < step; ++l) lanes[l] += lanes[l + step];
  }
  return lanes[0];
}

float max_abs(const float* a, int64_t n) {
  float largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float magnitude = std::fabs(a[i]);
    if (magnitude > largest && magnitude <= 3.402823466e+38F) largest = magnitude;
  }
  return largest;
}

int64_t find_non_finite(const float* a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(a[i])) return i;
  }
  return -1;
}

TUTTI_VECTORIZED
void rows_times_vector(const float* rows, int64_t n, int64_t dim, const float* v, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const float* row = rows + i * dim;
    float lanes[kLanes] = {};
    int64_t j = 0;
    for (; j + kLanes <= dim; j += kLanes) {
      for (int l = 0; l < kLanes; ++l) lanes[l] += row[j + l] * v[j + l];
    }
    for (int l = 0; j + l < dim; ++l) lanes[l] += row[j + l] * v[j + l];
    for (int step = kLanes / 2; step > 0; step /= 2) {
      for (int l = 0; l < step; ++l) lanes[l] += lanes[l + step];
    }
    out[i] = lanes[0];
  }
}

TUTTI_VECTORIZED
void add_weighted_rows(const float* rows, int64_t n, int64_t dim, const float* weights,
                       float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const float* row = rows + i * dim;
    const float weight = weights[i];
    for (int64_t j = 0; j < dim; ++j) out[j] += weight * row[j];
  }
}

TUTTI_VECTORIZED
void add_fixed_point(const float* a, int64_t dim, double scale, int64_t* sums) {
  for (int64_t j = 0; j < dim; ++j) sums[j] += static_cast<int64_t>(a[j] * scale);
}

TUTTI_VECTORIZED
void move_fixed_point(const float* a, int64_t dim, double scale, int64_t* to, int64_t* from) {
  if (from == nullptr) {
    for (int64_t j = 0; j < dim; ++j) to[j] += static_cast<int64_t>(a[j] * scale);
    return;
  }
  for (int64_t j = 0; j < dim; ++j) {
    const auto term = static_cast<int64_t>(a[j] * scale);
    to[j] += term;
    from[j] -= term;
  }
}

TUTTI_VECTORIZED
double dot(const int64_t* sums, const float* v, int64_t dim) {
  double lanes[kDoubleLanes] = {};
  int64_t j = 0;
  for (; j + kDoubleLanes <= dim; j += kDoubleLanes) {
    for (int l = 0; l < kDoubleLanes; ++l) {
      lanes[l] += static_cast<double>(sums[j + l]) * static_cast<double>(v[j + l]);
    }
  }
  for (int l = 0; j + l < dim; ++l) {
    lanes[l] += static_cast<double>(sums[j + l]) * static_cast<double>(v[j + l]);
  }
  for (int step = kDoubleLanes / 2; step > 0; step /= 2) {
    for (int l = 0; l < step; ++l) lanes[l] += lanes[l + step];
  }
  return lanes[0];
}

TUTTI_VECTORIZED
void scale(const float* a, int64_t dim, double factor, float* out) {
  for (int64_t j = 0; j < dim; ++j) out[j] = static_cast<float>(a[j] * factor);
}

TUTTI_VECTORIZED
void add_scaled(const double* a, int64_t dim, double factor, double* out) {
  for (int64_t j = 0; j < dim; ++j) out[j] += factor * a[j];
}

TUTTI_VECTORIZED
void subtract(const float* b, int64_t dim, float* a) {
  for (int64_t j = 0; j < dim; ++j) a[j] -= b[j];
}

}  // namespace tutti::ids
