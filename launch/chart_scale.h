#pragma once

#include <string>
#include <vector>

namespace tutti::launch {

// Where values lie along an axis of a plot, and which of them are written beside it.
struct ChartScale {
  double low = 0, high = 1;
  bool logarithmic = false;
  std::vector<double> ticks = {};

  double share_of(double value) const;  // 0 at low, 1 at high
};

// 1, 2 or 5 times a power of ten: four or five ticks within `length` (above 0).
double tick_step(double length);

// About four ticks at round numbers; the ends are ticks. Not finite or equal ends are widened.
ChartScale linear_scale(double low, double high);
// The ticks are the values that occur (above 0), thinned where they would touch.
ChartScale logarithmic_scale(std::vector<double> values);

// "0.25", "2,000", "1.5e+06".
std::string tick_words(double value);

}  // namespace tutti::launch
