#pragma once

#include <cmath>
#include <cstdint>

namespace tutti::ids {

// Sums of floats that do not care about the order of addition: each term becomes an integer at a
// common scale, and integers are added. The largest power of two at which `num_terms` terms of
// magnitude <= max_abs sum to less than 2^62.
inline double fixed_point_scale(int64_t num_terms, double max_abs) {
  if (num_terms <= 0 || max_abs <= 0) return 1;
  const int bits = std::ilogb(static_cast<double>(num_terms)) + 1 + std::ilogb(max_abs) + 1;
  return std::ldexp(1.0, 62 - bits);
}

inline int64_t to_fixed_point(double value, double scale) {
  return static_cast<int64_t>(value * scale);
}

}  // namespace tutti::ids
