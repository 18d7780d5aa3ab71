#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

namespace tutti::trainer {

// The factors of one AdamW update (Loshchilov and Hutter 2019), worked out once a step.
struct AdamWFactors {
  // `step` counts from 1; gradients are divided by `grad_divisor` first.
  AdamWFactors(double learning_rate, double beta1, double beta2, double epsilon,
               double weight_decay, double grad_divisor, int64_t step);

  float keep;        // 1 - learning_rate * weight_decay, on the value
  float grad_scale;  // 1 / grad_divisor
  float beta1, beta2;
  float step_size;   // learning_rate / (1 - beta1^step)
  float root_scale;  // (1 - beta2^step)^-1/2, on the root of the second moment
  float epsilon;
};

// One pass over n elements, on ATen's threads: values and moments are updated, gradients are set to
// zero for the next step. `rounded`, unless null, receives the values in bf16. Results do not
// depend on the number of threads.
void adamw_update(const AdamWFactors& factors, float* values, float* grads, float* moment1,
                  float* moment2, c10::BFloat16* rounded, int64_t n);

// The sum of squares in blocks of fixed size, fp32 within a block and fp64 between them: does not
// depend on the number of threads. Not finite when an element is not.
double sum_of_squares(const float* x, int64_t n);

}  // namespace tutti::trainer
