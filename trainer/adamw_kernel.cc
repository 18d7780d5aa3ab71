#include "trainer/adamw_kernel.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/Parallel.h>

#include "ids/vectorize.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

using lanes::Vec;

constexpr int64_t kBlock = 16384;  // elements a thread takes at a time: five arrays stay in L2

template <bool kRounds>
[[gnu::always_inline]] inline void update(const AdamWFactors& f, float* values, float* grads,
                                          float* moment1, float* moment2, c10::BFloat16* rounded,
                                          int64_t n) {
  lanes::each(
      n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        Vec p, g, m, v, denominator;
        lanes::get(values + i, count, p);
        lanes::get(grads + i, count, g);
        lanes::get(moment1 + i, count, m);
        lanes::get(moment2 + i, count, v);
        g *= f.grad_scale;
        m = m * f.beta1 + g * (1.0F - f.beta1);
        v = v * f.beta2 + g * g * (1.0F - f.beta2);
        for (int64_t l = 0; l < lanes::kLanes; ++l) denominator[l] = __builtin_sqrtf(v[l]);
        denominator = denominator * f.root_scale + f.epsilon;
        p = p * f.keep - f.step_size * m / denominator;
        lanes::put(values + i, count, p);
        lanes::put(moment1 + i, count, m);
        lanes::put(moment2 + i, count, v);
        lanes::put(grads + i, count, Vec{});
        if constexpr (kRounds) lanes::put(rounded + i, count, p);
      });
}
TUTTI_VECTORIZED void update_block(const AdamWFactors& f, float* values, float* grads,
                                   float* moment1, float* moment2, int64_t n) {
  update<false>(f, values, grads, moment1, moment2, nullptr, n);
}
TUTTI_VECTORIZED void update_block(const AdamWFactors& f, float* values, float* grads,
                                   float* moment1, float* moment2, c10::BFloat16* rounded,
                                   int64_t n) {
  update<true>(f, values, grads, moment1, moment2, rounded, n);
}

TUTTI_VECTORIZED float block_sum(const float* x, int64_t n) {
  return lanes::dot(x, x, n);
}

}  // namespace

AdamWFactors::AdamWFactors(double learning_rate, double first_beta, double second_beta, double eps,
                           double weight_decay, double grad_divisor, int64_t step)
    : keep(static_cast<float>(1.0 - learning_rate * weight_decay)),
      grad_scale(static_cast<float>(1.0 / grad_divisor)),
      beta1(static_cast<float>(first_beta)),
      beta2(static_cast<float>(second_beta)),
      step_size(static_cast<float>(learning_rate /
                                   (1.0 - std::pow(first_beta, static_cast<double>(step))))),
      root_scale(static_cast<float>(
          1.0 / std::sqrt(1.0 - std::pow(second_beta, static_cast<double>(step))))),
      epsilon(static_cast<float>(eps)) {}

void adamw_update(const AdamWFactors& factors, float* values, float* grads, float* moment1,
                  float* moment2, c10::BFloat16* rounded, int64_t n) {
  at::parallel_for(0, n, kBlock, [&](int64_t first, int64_t last) {
    if (rounded == nullptr) {
      update_block(factors, values + first, grads + first, moment1 + first, moment2 + first,
                   last - first);
    } else {
      update_block(factors, values + first, grads + first, moment1 + first, moment2 + first,
                   rounded + first, last - first);
    }
  });
}

double sum_of_squares(const float* x, int64_t n) {
  const int64_t num_blocks = (n + kBlock - 1) / kBlock;
  std::vector<double> sums(num_blocks, 0.0);
  at::parallel_for(0, num_blocks, 4, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      sums[b] = block_sum(x + b * kBlock, std::min(kBlock, n - b * kBlock));
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace tutti::trainer
