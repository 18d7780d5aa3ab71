#pragma once

#include <cstdint>
#include <string>

namespace tutti::trainer {

enum class Schedule { kConstant, kLinear, kCosine, kInverseSqrt };
Schedule schedule_from_name(const std::string& name);  // UsageError with the known names

// The learning rate of a step: a linear warm-up, then a fall.
struct LearningRate {
  double peak = 1e-3;
  int64_t warmup_steps = 100;  // linear from 0
  int64_t total_steps = 1000;  // where linear and cosine end; the others do not know it
  Schedule schedule = Schedule::kCosine;
  double final_fraction = 0.05;   // of the peak, at total_steps (linear and cosine)
  double at(int64_t step) const;  // step counts from 0
};

// The peak that serves a model of that width (hidden size): 0.256 / width. 2e-3 at 128 and 1e-3 at
// 256 led over three seeds, in steps of 64 titles with 8 tracks each (docs/training.md); that it
// falls with the width from there on is the rule of Yang et al. 2022 (muP) for hidden layers under
// Adam.
double peak_for_width(int64_t width);

}  // namespace tutti::trainer
