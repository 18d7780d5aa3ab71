// RMS norm: y = x * s * w with s = (mean(x^2) + eps)^-1/2 a row.
#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ids/vectorize.h"
#include "trainer/models/fused_ops.h"
#include "trainer/models/fused_support.h"
#include "trainer/models/plain_ops.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

using lanes::Vec;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Rows that share one sum of the weight's gradient: anchored at the row number, so that the sums do
// not depend on the threads.
constexpr int64_t kRowsPerSum = 64;

template <typename T>
[[gnu::always_inline]] inline void normalize(const float* x, const float* w, T* y, float* scale,
                                             int64_t rows, int64_t d, float epsilon) {
  for (int64_t r = 0; r < rows; ++r, x += d, y += d) {
    const float s = 1.0F / std::sqrt(lanes::dot(x, x, d) / static_cast<float>(d) + epsilon);
    scale[r] = s;
    lanes::each(
        d, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
          Vec from, weight;
          lanes::get(x + i, n, from);
          lanes::get(w + i, n, weight);
          lanes::put(y + i, n, from * s * weight);
        });
  }
}
TUTTI_VECTORIZED void normalize_rows(const float* x, const float* w, float* y, float* scale,
                                     int64_t rows, int64_t d, float epsilon) {
  normalize(x, w, y, scale, rows, d, epsilon);
}
TUTTI_VECTORIZED void normalize_rows(const float* x, const float* w, BFloat16* y, float* scale,
                                     int64_t rows, int64_t d, float epsilon) {
  normalize(x, w, y, scale, rows, d, epsilon);
}

struct NormGradView {
  const float *x, *w, *scale;
  const float* residual;  // what the residual connection brings, added to dx;
                          // null: nothing
  float *dx, *dw;
  int64_t d;
};

// dx = s * (g w - x s^2 mean(g w x)) + residual; dw += g x s
template <typename T>
[[gnu::always_inline]] inline void norm_grad(const NormGradView& v, const T* g, int64_t first,
                                             int64_t last) {
  for (int64_t r = first; r < last; ++r) {
    const float* x = v.x + r * v.d;
    const T* grad = g + r * v.d;
    const float* residual = v.residual == nullptr ? nullptr : v.residual + r * v.d;
    float* dx = v.dx + r * v.d;
    const float s = v.scale[r];
    Vec mixed = {};
    lanes::each(
        v.d, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
          Vec a, b, c;
          lanes::get(grad + i, n, a);
          lanes::get(v.w + i, n, b);
          lanes::get(x + i, n, c);
          mixed += a * b * c;
        });
    const float pull = s * s * lanes::sum_of(mixed) / static_cast<float>(v.d);
    lanes::each(
        v.d, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
          Vec a, b, c, sum;
          lanes::get(grad + i, n, a);
          lanes::get(v.w + i, n, b);
          lanes::get(x + i, n, c);
          lanes::get(v.dw + i, n, sum);
          lanes::put(v.dw + i, n, sum + a * c * s);
          Vec out = s * (a * b - c * pull);
          if (residual != nullptr) {
            Vec more;
            lanes::get(residual + i, n, more);
            out += more;
          }
          lanes::put(dx + i, n, out);
        });
  }
}
TUTTI_VECTORIZED void norm_grad_rows(const NormGradView& v, const float* g, int64_t first,
                                     int64_t last) {
  norm_grad(v, g, first, last);
}
TUTTI_VECTORIZED void norm_grad_rows(const NormGradView& v, const BFloat16* g, int64_t first,
                                     int64_t last) {
  norm_grad(v, g, first, last);
}

// {dx, dw}; `residual` may be undefined.
variable_list norm_backward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                            const at::Tensor& g, const at::Tensor& residual) {
  const int64_t rows = x.size(0), d = x.size(1);
  const int64_t num_sums = (rows + kRowsPerSum - 1) / kRowsPerSum;
  at::Tensor dx = at::empty_like(x),
             sums = at::empty({std::max<int64_t>(num_sums, 1), d}, x.options());
  sums.zero_();
  const NormGradView view = {
      .x = x.const_data_ptr<float>(),
      .w = weight.const_data_ptr<float>(),
      .scale = scale.const_data_ptr<float>(),
      .residual = residual.defined() ? residual.const_data_ptr<float>() : nullptr,
      .dx = dx.mutable_data_ptr<float>(),
      .dw = nullptr,
      .d = d};
  auto* dw = sums.mutable_data_ptr<float>();
  with_data(g, [&](const auto* grad) {
    at::parallel_for(0, num_sums, std::max<int64_t>(1, rows_per_task(d) / kRowsPerSum),
                     [&](int64_t first, int64_t last) {
                       for (int64_t i = first; i < last; ++i) {
                         NormGradView own = view;
                         own.dw = dw + i * d;
                         norm_grad_rows(own, grad, i * kRowsPerSum,
                                        std::min(rows, (i + 1) * kRowsPerSum));
                       }
                     });
  });
  for (int64_t i = 1; i < num_sums; ++i) {
    for (int64_t k = 0; k < d; ++k) dw[k] += dw[i * d + k];
  }
  return {dx, sums[0]};
}

at::Tensor norm_forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                        double epsilon, at::ScalarType type) {
  const int64_t rows = x.size(0), d = x.size(1);
  at::Tensor y = at::empty({rows, d}, x.options().dtype(type)),
             scale = at::empty({rows}, x.options());
  const auto *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  auto* s = scale.mutable_data_ptr<float>();
  with_output(y, [&](auto* out) {
    at::parallel_for(0, rows, rows_per_task(d), [&](int64_t first, int64_t last) {
      normalize_rows(from + first * d, w, out + first * d, s + first, last - first, d,
                     static_cast<float>(epsilon));
    });
  });
  ctx->save_for_backward({x, weight, scale});
  return y;
}

struct RmsNorm : Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            double epsilon, at::ScalarType type) {
    return norm_forward(ctx, x, weight, epsilon, type);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    variable_list d = norm_backward(saved[0], saved[1], saved[2], grads[0].contiguous(), {});
    return {d[0], d[1], {}, {}};
  }
};

struct RmsNormResidual : Function<RmsNormResidual> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                               double epsilon, at::ScalarType type) {
    return {norm_forward(ctx, x, weight, epsilon, type), x};
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    variable_list d =
        norm_backward(saved[0], saved[1], saved[2], grads[0].contiguous(), grads[1].contiguous());
    return {d[0], d[1], {}, {}};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                    at::ScalarType type) {
  if (!is_fused(x)) return plain::rms_norm(x, weight, epsilon, type);
  return RmsNorm::apply(x.contiguous(), weight, epsilon, type);
}

NormedResidual rms_norm_residual(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                                 at::ScalarType type) {
  if (!is_fused(x)) return {plain::rms_norm(x, weight, epsilon, type), x};
  const variable_list out = RmsNormResidual::apply(x.contiguous(), weight, epsilon, type);
  return {out[0], out[1]};
}

}  // namespace tutti::trainer
