#include "trainer/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

AdamW::AdamW(T5Model& model, const AdamWOptions& options)
    : options_(options),
      values_(model.flat_values()),
      grads_(model.flat_grads()),
      moment1_(at::zeros_like(values_)),
      moment2_(at::zeros_like(values_)),
      num_decay_elements_(model.num_decay_elements()) {}

void AdamW::step(double learning_rate, double grad_divisor) {
  const c10::NoGradGuard no_grad;
  ++num_steps_;
  const at::Tensor step_count = at::full({}, static_cast<double>(num_steps_), at::kFloat);
  const at::Tensor divisor = at::full({}, grad_divisor, at::kFloat);
  const int64_t total = values_.numel();
  const auto update = [&](int64_t first, int64_t count, double weight_decay) {
    if (count == 0) return;
    const std::vector<at::Tensor> values = {values_.narrow(0, first, count)};
    const std::vector<at::Tensor> grads = {grads_.narrow(0, first, count)};
    const std::vector<at::Tensor> moments1 = {moment1_.narrow(0, first, count)};
    const std::vector<at::Tensor> moments2 = {moment2_.narrow(0, first, count)};
    at::_fused_adamw_(values, grads, moments1, moments2, /*max_exp_avg_sqs=*/{}, {step_count},
                      learning_rate, options_.beta1, options_.beta2, weight_decay, options_.epsilon,
                      /*amsgrad=*/false,
                      /*maximize=*/false, divisor, /*found_inf=*/{});
  };
  update(0, num_decay_elements_, options_.weight_decay);
  update(num_decay_elements_, total - num_decay_elements_, 0.0);
}

Schedule schedule_from_name(const std::string& name) {
  if (name == "constant") return Schedule::kConstant;
  if (name == "linear") return Schedule::kLinear;
  if (name == "cosine") return Schedule::kCosine;
  throw UsageError(Problem{"", "--schedule", name, "constant, linear or cosine", ""});
}

double LearningRate::at(int64_t step) const {
  if (step < warmup_steps)
    return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (schedule == Schedule::kConstant) return peak;
  const double span = static_cast<double>(std::max<int64_t>(total_steps - warmup_steps, 1));
  const double progress = std::min(1.0, static_cast<double>(step - warmup_steps) / span);
  const double fall = schedule == Schedule::kLinear
                          ? 1.0 - progress
                          : 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return peak * (final_fraction + (1.0 - final_fraction) * fall);
}

}  // namespace tutti::trainer
