#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include <c10/util/BFloat16.h>

// Sixteen lanes at a time, written with the compiler's vector types: no sum is left to the
// compiler's choice of order, so a result depends on the CPU type only through fused multiply-adds.
// Called from TUTTI_VECTORIZED functions, into which they must inline. Memory is fp32 or bf16
// (rounded to nearest even when stored), arithmetic is fp32.
namespace tutti::trainer::lanes {

constexpr int64_t kLanes = 16;

using Vec = float __attribute__((vector_size(64)));
using Int = int32_t __attribute__((vector_size(64)));
using Bits = uint32_t __attribute__((vector_size(64)));
using Half = uint16_t __attribute__((vector_size(32)));

// std::bit_cast would return a vector, which not every target of a clone passes alike.
template <typename From, typename To>
[[gnu::always_inline]] inline void same_bits(const From& from, To& to) {
  static_assert(sizeof(from) == sizeof(to));
  std::memcpy(&to, &from, sizeof(to));
}

[[gnu::always_inline]] inline void load(const float* p, Vec& v) {
  std::memcpy(&v, p, sizeof(v));
}
[[gnu::always_inline]] inline void load(const c10::BFloat16* p, Vec& v) {
  Half half;
  std::memcpy(&half, p, sizeof(half));
  const Bits bits = __builtin_convertvector(half, Bits) << 16;
  same_bits(bits, v);
}
[[gnu::always_inline]] inline void store(float* p, const Vec& v) {
  std::memcpy(p, &v, sizeof(v));
}
[[gnu::always_inline]] inline void store(c10::BFloat16* p, const Vec& v) {
  Bits bits;
  same_bits(v, bits);
  const Bits rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  Bits is_nan;  // rounding could carry a NaN over to a number
  same_bits(v != v, is_nan);
  const Bits out = (is_nan & 0x7FC0U) | (~is_nan & rounded);
  const Half half = __builtin_convertvector(out, Half);
  std::memcpy(p, &half, sizeof(half));
}
// The first n < kLanes elements; the other lanes are zero.
template <typename T>
[[gnu::always_inline]] inline void load_some(const T* p, int64_t n, Vec& v) {
  T padded[kLanes] = {};
  std::memcpy(padded, p, n * sizeof(T));
  load(padded, v);
}
template <typename T>
[[gnu::always_inline]] inline void store_some(T* p, int64_t n, const Vec& v) {
  T padded[kLanes];
  store(padded, v);
  std::memcpy(p, padded, n * sizeof(T));
}

// Calls body(i, n) for the full vectors at i (n = kLanes), then once for the rest.
template <typename Body>
[[gnu::always_inline]] inline void each(int64_t size, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) body(i, kLanes);
  if (i < size) body(i, size - i);
}
template <typename T>
[[gnu::always_inline]] inline void get(const T* p, int64_t n, Vec& v) {
  if (n == kLanes) {
    load(p, v);
  } else {
    load_some(p, n, v);
  }
}
template <typename T>
[[gnu::always_inline]] inline void put(T* p, int64_t n, const Vec& v) {
  if (n == kLanes) {
    store(p, v);
  } else {
    store_some(p, n, v);
  }
}

// Halves are added to halves.
[[gnu::always_inline]] inline float sum_of(const Vec& v) {
  using Vec8 = float __attribute__((vector_size(32)));
  using Vec4 = float __attribute__((vector_size(16)));
  Vec8 low8, high8;
  std::memcpy(&low8, &v, sizeof(low8));
  std::memcpy(&high8, reinterpret_cast<const char*>(&v) + sizeof(low8), sizeof(high8));
  const Vec8 eight = low8 + high8;
  Vec4 low4, high4;
  std::memcpy(&low4, &eight, sizeof(low4));
  std::memcpy(&high4, reinterpret_cast<const char*>(&eight) + sizeof(low4), sizeof(high4));
  const Vec4 four = low4 + high4;
  return (four[0] + four[2]) + (four[1] + four[3]);
}

// e^x with a relative error below 2e-7 (Cody-Waite reduction, degree 6); 0 below -87, so that -inf
// gives 0.
[[gnu::always_inline]] inline void exp(const Vec& at, Vec& out) {
  const Int vanishes = at < -87.0F;
  Vec x = vanishes ? Vec{} - 87.0F : at;
  x = x > 88.0F ? Vec{} + 88.0F : x;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves the nearest integer
  const Vec shifted = x * 1.44269504F + kRound;
  const Vec n = shifted - kRound;
  const Vec r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  Vec p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const Int power = (__builtin_convertvector(n, Int) + 127) << 23;
  Vec scale;
  same_bits(power, scale);
  out = vanishes ? Vec{} : p * scale;
}

// The same for one number: in a loop over an array the compiler makes vectors of it.
[[gnu::always_inline]] inline float exp(float x) {
  const bool vanishes = x < -87.0F;
  x = vanishes ? -87.0F : (x > 88.0F ? 88.0F : x);
  constexpr float kRound = 12582912.0F;
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

template <typename A, typename B>
[[gnu::always_inline]] inline float dot(const A* a, const B* b, int64_t size) {
  Vec sum = {};
  each(
      size, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        Vec x, y;
        get(a + i, n, x);
        get(b + i, n, y);
        sum += x * y;
      });
  return sum_of(sum);
}

// y += a * x
template <typename T>
[[gnu::always_inline]] inline void axpy(float a, const T* x, float* y, int64_t size) {
  each(
      size, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        Vec from, to;
        get(x + i, n, from);
        get(y + i, n, to);
        put(y + i, n, to + a * from);
      });
}

// to = from, between types
template <typename From, typename To>
[[gnu::always_inline]] inline void convert(const From* from, To* to, int64_t size) {
  each(
      size, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        Vec v;
        get(from + i, n, v);
        put(to + i, n, v);
      });
}

}  // namespace tutti::trainer::lanes
