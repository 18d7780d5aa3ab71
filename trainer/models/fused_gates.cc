// Gated linear units, f(a) b: gelu(a) = a/2 (1 + tanh(c (a + k a^3))), silu(a) = a / (1 + e^-a).
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

constexpr float kGeluC = 0.7978845608F;  // sqrt(2 / pi)
constexpr float kGeluK = 0.044715F;

// 1 + tanh(z) = 2 / (1 + e^-2z): one exponential and one division for the whole operator.
[[gnu::always_inline]] inline void one_plus_tanh(const Vec& a, Vec& out) {
  Vec e;
  lanes::exp(-2.0F * kGeluC * a * (1.0F + kGeluK * a * a), e);
  out = 2.0F / (1.0F + e);
}

template <typename T>
[[gnu::always_inline]] inline void gelu(const T* ab, T* y, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, ab += 2 * n, y += n) {
    lanes::each(
        n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
          Vec a, b, t;
          lanes::get(ab + i, count, a);
          lanes::get(ab + n + i, count, b);
          one_plus_tanh(a, t);
          lanes::put(y + i, count, 0.5F * a * t * b);
        });
  }
}
TUTTI_VECTORIZED void gelu_rows(const float* ab, float* y, int64_t rows, int64_t n) {
  gelu(ab, y, rows, n);
}
TUTTI_VECTORIZED void gelu_rows(const BFloat16* ab, BFloat16* y, int64_t rows, int64_t n) {
  gelu(ab, y, rows, n);
}

// With t = 1 + tanh: slope = t/2 + a/2 (1 - tanh^2) z' and 1 - tanh^2 = t (2 - t).
template <typename T>
[[gnu::always_inline]] inline void gelu_grad(const T* ab, const T* g, T* dab, int64_t rows,
                                             int64_t n) {
  for (int64_t r = 0; r < rows; ++r, ab += 2 * n, dab += 2 * n, g += n) {
    lanes::each(
        n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
          Vec a, b, grad, t;
          lanes::get(ab + i, count, a);
          lanes::get(ab + n + i, count, b);
          lanes::get(g + i, count, grad);
          one_plus_tanh(a, t);
          const Vec slope =
              0.5F * t * (1.0F + a * (2.0F - t) * kGeluC * (1.0F + 3.0F * kGeluK * a * a));
          lanes::put(dab + i, count, grad * b * slope);
          lanes::put(dab + n + i, count, grad * 0.5F * a * t);
        });
  }
}
TUTTI_VECTORIZED void gelu_grad_rows(const float* ab, const float* g, float* dab, int64_t rows,
                                     int64_t n) {
  gelu_grad(ab, g, dab, rows, n);
}
TUTTI_VECTORIZED void gelu_grad_rows(const BFloat16* ab, const BFloat16* g, BFloat16* dab,
                                     int64_t rows, int64_t n) {
  gelu_grad(ab, g, dab, rows, n);
}

template <typename T>
[[gnu::always_inline]] inline void silu(const T* ab, T* y, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, ab += 2 * n, y += n) {
    lanes::each(
        n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
          Vec a, b, e;
          lanes::get(ab + i, count, a);
          lanes::get(ab + n + i, count, b);
          lanes::exp(-a, e);
          lanes::put(y + i, count, a * b / (1.0F + e));
        });
  }
}
TUTTI_VECTORIZED void silu_rows(const float* ab, float* y, int64_t rows, int64_t n) {
  silu(ab, y, rows, n);
}
TUTTI_VECTORIZED void silu_rows(const BFloat16* ab, BFloat16* y, int64_t rows, int64_t n) {
  silu(ab, y, rows, n);
}

// With s = 1 / (1 + e^-a): slope = s + a s (1 - s).
template <typename T>
[[gnu::always_inline]] inline void silu_grad(const T* ab, const T* g, T* dab, int64_t rows,
                                             int64_t n) {
  for (int64_t r = 0; r < rows; ++r, ab += 2 * n, dab += 2 * n, g += n) {
    lanes::each(
        n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
          Vec a, b, grad, e;
          lanes::get(ab + i, count, a);
          lanes::get(ab + n + i, count, b);
          lanes::get(g + i, count, grad);
          lanes::exp(-a, e);
          const Vec share = 1.0F / (1.0F + e);
          lanes::put(dab + i, count, grad * b * share * (1.0F + a * (1.0F - share)));
          lanes::put(dab + n + i, count, grad * a * share);
        });
  }
}
TUTTI_VECTORIZED void silu_grad_rows(const float* ab, const float* g, float* dab, int64_t rows,
                                     int64_t n) {
  silu_grad(ab, g, dab, rows, n);
}
TUTTI_VECTORIZED void silu_grad_rows(const BFloat16* ab, const BFloat16* g, BFloat16* dab,
                                     int64_t rows, int64_t n) {
  silu_grad(ab, g, dab, rows, n);
}

struct Gelu {
  template <typename T>
  static void rows(const T* ab, T* y, int64_t rows, int64_t n) {
    gelu_rows(ab, y, rows, n);
  }
  template <typename T>
  static void grad_rows(const T* ab, const T* g, T* dab, int64_t rows, int64_t n) {
    gelu_grad_rows(ab, g, dab, rows, n);
  }
};
struct Silu {
  template <typename T>
  static void rows(const T* ab, T* y, int64_t rows, int64_t n) {
    silu_rows(ab, y, rows, n);
  }
  template <typename T>
  static void grad_rows(const T* ab, const T* g, T* dab, int64_t rows, int64_t n) {
    silu_grad_rows(ab, g, dab, rows, n);
  }
};

template <typename Gate>
struct Gated : Function<Gated<Gate>> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate_up) {
    const int64_t rows = gate_up.size(0), n = gate_up.size(1) / 2;
    at::Tensor y = at::empty({rows, n}, gate_up.options());
    with_data(gate_up, [&](const auto* ab) {
      auto* out = y.mutable_data_ptr<std::decay_t<decltype(*ab)>>();
      at::parallel_for(0, rows, rows_per_task(8 * n), [&](int64_t first, int64_t last) {
        Gate::rows(ab + first * 2 * n, out + first * n, last - first, n);
      });
    });
    ctx->save_for_backward({gate_up});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const at::Tensor gate_up = ctx->get_saved_variables()[0], g = grads[0].contiguous();
    const int64_t rows = gate_up.size(0), n = gate_up.size(1) / 2;
    at::Tensor d = at::empty_like(gate_up);
    with_data(gate_up, [&](const auto* ab) {
      using T = std::decay_t<decltype(*ab)>;
      const auto* grad = g.const_data_ptr<T>();
      auto* out = d.mutable_data_ptr<T>();
      at::parallel_for(0, rows, rows_per_task(8 * n), [&](int64_t first, int64_t last) {
        Gate::grad_rows(ab + first * 2 * n, grad + first * n, out + first * 2 * n, last - first, n);
      });
    });
    return {d};
  }
};

}  // namespace

at::Tensor gated_gelu(const at::Tensor& gate_up) {
  if (!is_fused(gate_up)) return plain::gated_gelu(gate_up);
  return Gated<Gelu>::apply(gate_up.contiguous());
}

at::Tensor gated_silu(const at::Tensor& gate_up) {
  if (!is_fused(gate_up)) return plain::gated_silu(gate_up);
  return Gated<Silu>::apply(gate_up.contiguous());
}

}  // namespace tutti::trainer
