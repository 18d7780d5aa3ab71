#include "launch/chart_scale.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "launch/progress.h"

namespace tutti::launch {

double ChartScale::share_of(double value) const {
  if (logarithmic) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

double tick_step(double length) {
  const double power = std::pow(10, std::floor(std::log10(length / 4)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (length / (factor * power) <= 5) return factor * power;
  }
  return 10 * power;
}

ChartScale linear_scale(double low, double high) {
  if (!std::isfinite(low)) low = 0;
  if (!std::isfinite(high) || high <= low) high = low + 1;
  const double step = tick_step(high - low);
  ChartScale scale{.low = step * std::floor(low / step + 1e-9),
                   .high = step * std::ceil(high / step - 1e-9)};
  const int64_t num_steps = std::llround((scale.high - scale.low) / step);
  const int64_t first = std::llround(scale.low / step);
  for (int64_t i = 0; i <= num_steps; ++i) {
    scale.ticks.push_back(step * static_cast<double>(first + i));
  }
  return scale;
}

ChartScale logarithmic_scale(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !(value > 0) || !std::isfinite(value); });
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.empty()) values.push_back(1);
  ChartScale scale{.low = values.front(),
                   .high = values.size() > 1 ? values.back() : 2 * values.back(),
                   .logarithmic = true};
  constexpr double kApart = 0.06;  // of the axis
  for (const double value : values) {
    const bool touches =
        !scale.ticks.empty() && scale.share_of(value) - scale.share_of(scale.ticks.back()) < kApart;
    if (!touches) scale.ticks.push_back(value);
  }
  return scale;
}

std::string tick_words(double value) {
  constexpr double kLargest = 1e6, kGrouped = 1e3;
  if (std::abs(value) >= kGrouped && std::abs(value) < kLargest) {
    return count_words(std::llround(value));
  }
  return fmt::format("{:.4g}", value);
}

}  // namespace tutti::launch
