#include "data/synth/lengths.h"

#include <cmath>

namespace tutti::data {
namespace {

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

}  // namespace

double location_of_cut_lognormal(double mean, double sigma, int64_t first, int64_t last) {
  const double log_low = std::log(static_cast<double>(first) - 0.5);
  const double log_high = std::log(static_cast<double>(last) + 0.5);
  const auto mean_at = [&](double mu) {
    const double a = (log_low - mu) / sigma, b = (log_high - mu) / sigma;
    return std::exp(mu + sigma * sigma / 2) * (normal_cdf(b - sigma) - normal_cdf(a - sigma)) /
           (normal_cdf(b) - normal_cdf(a));
  };
  double low = log_low - 2 * sigma, high = log_high + 2 * sigma;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (mean_at(middle) < mean ? low : high) = middle;
  }
  return low;
}

int64_t draw_length(double location, double sigma, int64_t first, int64_t last, Rng& rng) {
  for (;;) {
    const auto length = std::lround(std::exp(location + sigma * rng.normal()));
    if (length >= first && length <= last) return length;
  }
}

int64_t draw_modified_at(Rng& rng) {
  constexpr double kFirst = 1262304000, kLast = 1509494400;
  return static_cast<int64_t>(kFirst + (kLast - kFirst) * std::sqrt(rng.uniform()));
}

}  // namespace tutti::data
