#pragma once

#include <cstdint>
#include <span>

// The inner loops of implicit ALS over the rows of one system: y [n, width], `width` a multiple of
// kIalsLanes, all buffers 64-byte aligned. One thread, a fixed order of additions.
namespace tutti::ids {

constexpr int64_t kIalsLanes = 16;

// scale[j] = 1 / sqrt(weighted_gram[j] + ridge)
void row_scale(const float* weighted_gram, float ridge, int64_t dim, float* scale);
void multiply(const float* a, const float* b, int64_t n, float* out);  // each by each
void divide(const float* a, const float* b, int64_t n, float* out);

// y[i] = scale * table[entries[i]], padded with zeros from `dim` to `width`. `scale` [width].
void gather_scaled(const float* table, int64_t dim, std::span<const int32_t> entries,
                   const float* scale, int64_t width, float* y);

// Conjugate gradients on (I + Y^T Y) z = Y^T 1 from z. `scratch` holds 3 * width floats. Ends
// before `steps` when the residual is gone.
void conjugate_gradients(const float* y, int64_t n, int64_t width, int steps, float* scratch,
                         float* z);

// Lower triangle (and what else lies in 4 x 4 tiles that touch it) of k = I + Y Y^T, [n, n].
void kernel_matrix(const float* y, int64_t n, int64_t width, float* k);

// z = Y^T weights
void weighted_sum(const float* y, int64_t n, int64_t width, const float* weights, float* z);

// sum_i (1 - y_i.z)^2
double squared_error(const float* y, int64_t n, int64_t width, const float* z);

}  // namespace tutti::ids
