#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

Schedule schedule_from_name(const std::string& name) {
  if (name == "constant") return Schedule::kConstant;
  if (name == "linear") return Schedule::kLinear;
  if (name == "cosine") return Schedule::kCosine;
  if (name == "inverse-sqrt") return Schedule::kInverseSqrt;
  throw UsageError(Problem{"", "--schedule", name, "constant, linear, cosine or inverse-sqrt", ""});
}

double LearningRate::at(int64_t step) const {
  const auto steps_done = static_cast<double>(step + 1);
  const auto warmup = static_cast<double>(std::max<int64_t>(warmup_steps, 1));
  if (step < warmup_steps) return peak * steps_done / warmup;
  const double span = static_cast<double>(std::max<int64_t>(total_steps - warmup_steps, 1));
  const double progress = std::min(1.0, static_cast<double>(step - warmup_steps) / span);
  const auto down_to_final = [&](double fall) {
    return peak * (final_fraction + (1.0 - final_fraction) * fall);
  };
  switch (schedule) {
    case Schedule::kConstant:
      return peak;
    case Schedule::kLinear:
      return down_to_final(1.0 - progress);
    case Schedule::kCosine:
      return down_to_final(0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
    case Schedule::kInverseSqrt:  // Vaswani et al. 2017, through the peak at the warm-up's end
      return peak * std::sqrt(warmup / steps_done);
  }
  return peak;
}

double peak_for_width(int64_t width) {
  return 0.256 / static_cast<double>(width);
}

}  // namespace tutti::trainer
