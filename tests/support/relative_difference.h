#pragma once

#include <cmath>
#include <vector>

namespace tutti {

// |found - expected| / |expected|, of vectors of one size.
template <typename T>
double relative_difference(const std::vector<T>& found, const std::vector<T>& expected) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(found[i] - expected[i], 2);
    size += std::pow(expected[i], 2);
  }
  return std::sqrt(difference / size);
}

}  // namespace tutti
