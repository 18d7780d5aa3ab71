#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/models/t5.h"

namespace tutti::trainer {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.98;  // short memory: rows of rare tokens see few gradients
  double epsilon = 1e-8;
  double weight_decay = 0.01;  // on matrices and embeddings, not on norms and position biases
};

// AdamW (Loshchilov and Hutter 2019) over the model's flat buffers: two fused calls a step,
// whatever the number of parameters.
class AdamW {
 public:
  AdamW(T5Model& model, const AdamWOptions& options);

  // One update with the model's gradients divided by `grad_divisor` (1 / clip coefficient), which
  // clips without a pass of its own.
  void step(double learning_rate, double grad_divisor);

  int64_t num_steps() const { return num_steps_; }
  void set_num_steps(int64_t n) { num_steps_ = n; }
  // First and second moments in the layout of the flat buffers.
  at::Tensor moment1() const { return moment1_; }
  at::Tensor moment2() const { return moment2_; }

 private:
  AdamWOptions options_;
  at::Tensor values_, grads_, moment1_, moment2_;
  int64_t num_decay_elements_;
  int64_t num_steps_ = 0;
};

enum class Schedule { kConstant, kLinear, kCosine };
Schedule schedule_from_name(const std::string& name);  // UsageError with the known names

struct LearningRate {
  double peak = 1e-3;
  int64_t warmup_steps = 100;  // linear from 0
  int64_t total_steps = 1000;  // where the decay ends
  Schedule schedule = Schedule::kCosine;
  double final_fraction = 0.05;   // of the peak, at total_steps
  double at(int64_t step) const;  // step counts from 0
};

}  // namespace tutti::trainer
