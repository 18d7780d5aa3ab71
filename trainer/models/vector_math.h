#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

// Small loops with their lanes written out: the compiler turns them into vector code without being
// allowed to reorder sums, so a result depends on the CPU type only through fused multiply-adds.
// Called from TUTTI_VECTORIZED functions, into which they must inline.
namespace tutti::trainer::lanes {

constexpr int64_t kLanes = 16;

// e^x with a relative error below 2e-7 (Cody-Waite reduction, degree 6); 0 below -87, so that -inf
// gives 0.
[[gnu::always_inline]] inline float exp(float x) {
  const bool vanishes = x < -87.0F;
  x = vanishes ? -87.0F : (x > 88.0F ? 88.0F : x);
  constexpr float kRound =
      12582912.0F;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float shifted = x * 1.44269504F + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const auto power = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return vanishes ? 0.0F : p * power;
}

[[gnu::always_inline]] inline float tanh(float x) {
  return 1.0F - 2.0F / (1.0F + exp(2.0F * x));
}

// sum of f(i) for i in [0, n): lane by lane, then the lanes in order.
template <typename F>
[[gnu::always_inline]] inline float sum(int64_t n, F f) {
  float lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lane[l] += f(i + l);
  }
  float total = 0;
  for (float x : lane) total += x;
  for (; i < n; ++i) total += f(i);
  return total;
}

[[gnu::always_inline]] inline float dot(const float* a, const float* b, int64_t n) {
  return sum(
      n, [=](int64_t i) __attribute__((always_inline)) { return a[i] * b[i]; });
}

// y += a * x
[[gnu::always_inline]] inline void axpy(float a, const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

}  // namespace tutti::trainer::lanes
