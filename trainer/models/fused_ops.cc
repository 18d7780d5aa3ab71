#include "trainer/models/fused_ops.h"

#include <algorithm>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "dist/runtime/errors.h"
#include "ids/vectorize.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr int64_t kRowsPerTask = 64;

// --- RMS norm: y = x * s * w with s = (mean(x^2) + eps)^-1/2 a row.

TUTTI_VECTORIZED void rms_norm_rows(const float* x, const float* w, float* y, float* scale,
                                    int64_t rows, int64_t d, float epsilon) {
  for (int64_t r = 0; r < rows; ++r, x += d, y += d) {
    const float s = 1.0F / std::sqrt(lanes::dot(x, x, d) / static_cast<float>(d) + epsilon);
    scale[r] = s;
    for (int64_t i = 0; i < d; ++i) y[i] = x[i] * s * w[i];
  }
}

// dx = s * (g w - x s^2 mean(g w x)); dw += g x s
TUTTI_VECTORIZED void rms_norm_grad_rows(const float* x, const float* w, const float* scale,
                                         const float* g, float* dx, float* dw, int64_t rows,
                                         int64_t d) {
  for (int64_t r = 0; r < rows; ++r, x += d, g += d, dx += d) {
    const float s = scale[r];
    const float mixed = lanes::sum(
        d, [=](int64_t i) __attribute__((always_inline)) { return g[i] * w[i] * x[i]; });
    const float pull = s * s * mixed / static_cast<float>(d);
    for (int64_t i = 0; i < d; ++i) {
      dx[i] = s * (g[i] * w[i] - x[i] * pull);
      dw[i] += g[i] * x[i] * s;
    }
  }
}

struct RmsNorm : Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            double epsilon) {
    const int64_t rows = x.size(0), d = x.size(1);
    at::Tensor y = at::empty_like(x), scale = at::empty({rows}, x.options());
    rms_norm_rows(x.const_data_ptr<float>(), weight.const_data_ptr<float>(),
                  y.mutable_data_ptr<float>(), scale.mutable_data_ptr<float>(), rows, d,
                  static_cast<float>(epsilon));
    ctx->save_for_backward({x, weight, scale});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &scale = saved[2];
    const at::Tensor g = grads[0].contiguous();
    at::Tensor dx = at::empty_like(x), dw = at::zeros_like(weight);
    rms_norm_grad_rows(x.const_data_ptr<float>(), weight.const_data_ptr<float>(),
                       scale.const_data_ptr<float>(), g.const_data_ptr<float>(),
                       dx.mutable_data_ptr<float>(), dw.mutable_data_ptr<float>(), x.size(0),
                       x.size(1));
    return {dx, dw, at::Tensor()};
  }
};

// --- Gated GELU: gelu(a) = a/2 (1 + tanh(c (a + k a^3))).

constexpr float kGeluC = 0.7978845608F;  // sqrt(2 / pi)
constexpr float kGeluK = 0.044715F;

TUTTI_VECTORIZED void gated_gelu_elements(const float* a, const float* b, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    y[i] = 0.5F * a[i] * (1.0F + lanes::tanh(kGeluC * (a[i] + kGeluK * a[i] * a[i] * a[i]))) * b[i];
  }
}

TUTTI_VECTORIZED void gated_gelu_grad_elements(const float* a, const float* b, const float* g,
                                               float* da, float* db, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float square = a[i] * a[i];
    const float t = lanes::tanh(kGeluC * a[i] * (1.0F + kGeluK * square));
    const float slope =
        0.5F * (1.0F + t) + 0.5F * a[i] * (1.0F - t * t) * kGeluC * (1.0F + 3.0F * kGeluK * square);
    da[i] = g[i] * b[i] * slope;
    db[i] = g[i] * 0.5F * a[i] * (1.0F + t);
  }
}

struct GatedGelu : Function<GatedGelu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    at::Tensor y = at::empty_like(gate);
    const float *a = gate.const_data_ptr<float>(), *b = up.const_data_ptr<float>();
    float* out = y.mutable_data_ptr<float>();
    at::parallel_for(0, gate.numel(), kRowsPerTask * 1024, [&](int64_t first, int64_t last) {
      gated_gelu_elements(a + first, b + first, out + first, last - first);
    });
    ctx->save_for_backward({gate, up});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor g = grads[0].contiguous();
    at::Tensor da = at::empty_like(g), db = at::empty_like(g);
    const float *a = saved[0].const_data_ptr<float>(), *b = saved[1].const_data_ptr<float>();
    const float* grad = g.const_data_ptr<float>();
    float *out_a = da.mutable_data_ptr<float>(), *out_b = db.mutable_data_ptr<float>();
    at::parallel_for(0, g.numel(), kRowsPerTask * 1024, [&](int64_t first, int64_t last) {
      gated_gelu_grad_elements(a + first, b + first, grad + first, out_a + first, out_b + first,
                               last - first);
    });
    return {da, db};
  }
};

// --- Attention over listed keys.

struct AttentionShape {
  int64_t queries, keys_per_query, heads, head_dim, bias_keys;
  int64_t width() const { return heads * head_dim; }
};

// The pointers of one call; bias and what belongs to it are null when there is none (an empty
// tensor: the tape takes no undefined one).
struct AttentionView {
  AttentionShape shape;
  const float *q, *k, *v, *bias;
  const int64_t *keys, *counts, *position;
};

TUTTI_VECTORIZED void attend(const AttentionView& a, int64_t head, float* probability, float* out) {
  const AttentionShape& s = a.shape;
  const int64_t width = s.width(), d = s.head_dim, first = head * d;
  for (int64_t i = 0; i < s.queries; ++i) {
    const int64_t* keys = a.keys + i * s.keys_per_query;
    const int64_t count = a.counts[i];
    float* p = probability + (head * s.queries + i) * s.keys_per_query;
    const float* bias =
        a.bias == nullptr ? nullptr : a.bias + a.position[i] * s.bias_keys * s.heads + head;
    float largest = -std::numeric_limits<float>::infinity();
    for (int64_t t = 0; t < count; ++t) {
      p[t] = lanes::dot(a.q + i * width + first, a.k + keys[t] * width + first, d);
      if (bias != nullptr) p[t] += bias[t * s.heads];
      largest = std::max(largest, p[t]);
    }
    float total = 0;
    for (int64_t t = 0; t < count; ++t) {
      p[t] = lanes::exp(p[t] - largest);
      total += p[t];
    }
    float* y = out + i * width + first;
    std::fill(y, y + d, 0.0F);
    for (int64_t t = 0; t < count; ++t) {
      p[t] /= total;
      lanes::axpy(p[t], a.v + keys[t] * width + first, y, d);
    }
  }
}

struct AttentionGrads {
  float *q, *k, *v, *bias;  // bias may be null
};

TUTTI_VECTORIZED void attend_grad(const AttentionView& a, int64_t head, const float* probability,
                                  const float* grad, float* slope, const AttentionGrads& out) {
  const AttentionShape& s = a.shape;
  const int64_t width = s.width(), d = s.head_dim, first = head * d;
  for (int64_t i = 0; i < s.queries; ++i) {
    const int64_t* keys = a.keys + i * s.keys_per_query;
    const int64_t count = a.counts[i];
    const float* p = probability + (head * s.queries + i) * s.keys_per_query;
    const float* g = grad + i * width + first;
    float mean = 0;
    for (int64_t t = 0; t < count; ++t) {
      slope[t] = lanes::dot(g, a.v + keys[t] * width + first, d);
      mean += p[t] * slope[t];
    }
    for (int64_t t = 0; t < count; ++t) {
      const float ds = p[t] * (slope[t] - mean);
      const int64_t row = keys[t] * width + first;
      lanes::axpy(ds, a.k + row, out.q + i * width + first, d);
      lanes::axpy(ds, a.q + i * width + first, out.k + row, d);
      lanes::axpy(p[t], g, out.v + row, d);
      if (out.bias != nullptr) out.bias[(a.position[i] * s.bias_keys + t) * s.heads + head] += ds;
    }
  }
}

AttentionView view_of(const variable_list& t, int64_t num_heads) {
  const at::Tensor &q = t[0], &bias = t[3], &keys = t[4], &position = t[6];
  return {.shape = {.queries = q.size(0),
                    .keys_per_query = keys.size(1),
                    .heads = num_heads,
                    .head_dim = q.size(1) / num_heads,
                    .bias_keys = bias.numel() > 0 ? bias.size(1) : 0},
          .q = q.const_data_ptr<float>(),
          .k = t[1].const_data_ptr<float>(),
          .v = t[2].const_data_ptr<float>(),
          .bias = bias.numel() > 0 ? bias.const_data_ptr<float>() : nullptr,
          .keys = keys.const_data_ptr<int64_t>(),
          .counts = t[5].const_data_ptr<int64_t>(),
          .position = bias.numel() > 0 ? position.const_data_ptr<int64_t>() : nullptr};
}

// Threads share the heads: each writes columns of its own, so no sum depends on their number.
struct ListAttention : Function<ListAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const at::Tensor& bias, const at::Tensor& keys,
                            const at::Tensor& counts, const at::Tensor& position,
                            int64_t num_heads) {
    const variable_list inputs = {q, k, v, bias, keys, counts, position};
    const AttentionView a = view_of(inputs, num_heads);
    TUTTI_CHECK(bias.numel() == 0 || bias.size(1) >= keys.size(1));
    at::Tensor out = at::empty_like(q);
    at::Tensor probability =
        at::empty({num_heads, a.shape.queries, a.shape.keys_per_query}, q.options());
    auto* p = probability.mutable_data_ptr<float>();
    auto* y = out.mutable_data_ptr<float>();
    at::parallel_for(0, num_heads, 1, [&](int64_t first, int64_t last) {
      for (int64_t head = first; head < last; ++head) attend(a, head, p, y);
    });
    variable_list saved = inputs;
    saved.push_back(probability);
    ctx->save_for_backward(saved);
    ctx->saved_data["num_heads"] = num_heads;
    return out;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const int64_t num_heads = ctx->saved_data["num_heads"].toInt();
    const AttentionView a = view_of(saved, num_heads);
    const at::Tensor g = grads[0].contiguous();
    at::Tensor dq = at::zeros_like(saved[0]), dk = at::zeros_like(saved[1]),
               dv = at::zeros_like(saved[2]);
    at::Tensor dbias = at::zeros_like(saved[3]);
    const AttentionGrads out = {
        .q = dq.mutable_data_ptr<float>(),
        .k = dk.mutable_data_ptr<float>(),
        .v = dv.mutable_data_ptr<float>(),
        .bias = dbias.numel() > 0 ? dbias.mutable_data_ptr<float>() : nullptr};
    const auto* p = saved[7].const_data_ptr<float>();
    const auto* grad = g.const_data_ptr<float>();
    at::parallel_for(0, num_heads, 1, [&](int64_t first, int64_t last) {
      std::vector<float> slope(a.shape.keys_per_query);
      for (int64_t head = first; head < last; ++head)
        attend_grad(a, head, p, grad, slope.data(), out);
    });
    return {dq, dk, dv, dbias, {}, {}, {}, {}};
  }
};

// --- Cross-entropy against weights.

// log(sum(exp(row))) of each row.
TUTTI_VECTORIZED void log_sum_exp_rows(const float* logits, float* out, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, logits += n) {
    float largest = logits[0];
    for (int64_t i = 1; i < n; ++i) largest = logits[i] > largest ? logits[i] : largest;
    const float total = lanes::sum(
        n, [=](int64_t i)
               __attribute__((always_inline)) { return lanes::exp(logits[i] - largest); });
    out[r] = largest + std::log(total);
  }
}

// weight of the row times its softmax
TUTTI_VECTORIZED void weighted_softmax_rows(const float* logits, const float* log_sum,
                                            const float* row_weight, float* out, int64_t rows,
                                            int64_t n) {
  for (int64_t r = 0; r < rows; ++r, logits += n, out += n) {
    for (int64_t i = 0; i < n; ++i) out[i] = row_weight[r] * lanes::exp(logits[i] - log_sum[r]);
  }
}

struct WeightedCrossEntropy : Function<WeightedCrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& logits, const at::Tensor& row,
                            const at::Tensor& column, const at::Tensor& weight) {
    const int64_t rows = logits.size(0), n = logits.size(1);
    at::Tensor log_sum = at::empty({rows}, logits.options());
    const auto* x = logits.const_data_ptr<float>();
    auto* lse = log_sum.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kRowsPerTask, [&](int64_t first, int64_t last) {
      log_sum_exp_rows(x + first * n, lse + first, last - first, n);
    });
    const auto *r = row.const_data_ptr<int64_t>(), *c = column.const_data_ptr<int64_t>();
    const auto* w = weight.const_data_ptr<float>();
    double loss = 0;
    for (int64_t i = 0; i < row.numel(); ++i) {
      loss += static_cast<double>(w[i]) * static_cast<double>(lse[r[i]] - x[r[i] * n + c[i]]);
    }
    ctx->save_for_backward({logits, row, column, weight, log_sum});
    at::Tensor out = at::empty({}, logits.options());
    *out.mutable_data_ptr<float>() = static_cast<float>(loss);
    return out;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &logits = saved[0], &row = saved[1], &column = saved[2], &weight = saved[3];
    const int64_t rows = logits.size(0), n = logits.size(1);
    const float scale = *grads[0].const_data_ptr<float>();
    const auto *r = row.const_data_ptr<int64_t>(), *c = column.const_data_ptr<int64_t>();
    const auto* w = weight.const_data_ptr<float>();
    std::vector<float> row_weight(rows, 0.0F);
    for (int64_t i = 0; i < row.numel(); ++i) row_weight[r[i]] += scale * w[i];
    at::Tensor d = at::empty_like(logits);
    const auto *x = logits.const_data_ptr<float>(), *lse = saved[4].const_data_ptr<float>();
    auto* out = d.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kRowsPerTask, [&](int64_t first, int64_t last) {
      weighted_softmax_rows(x + first * n, lse + first, row_weight.data() + first, out + first * n,
                            last - first, n);
    });
    for (int64_t i = 0; i < row.numel(); ++i) out[r[i] * n + c[i]] -= scale * w[i];
    return {d, {}, {}, {}};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  return RmsNorm::apply(x.contiguous(), weight, epsilon);
}

at::Tensor gated_gelu(const at::Tensor& gate, const at::Tensor& up) {
  return GatedGelu::apply(gate, up);
}

at::Tensor list_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& bias, const AttentionLists& lists, int64_t num_heads) {
  const at::Tensor none = at::empty({0}, q.options());
  return ListAttention::apply(q, k, v, bias.defined() ? bias.contiguous() : none, lists.keys,
                              lists.counts, bias.defined() ? lists.position : none, num_heads);
}

at::Tensor weighted_cross_entropy(const at::Tensor& logits, const WeightedTargets& targets) {
  return WeightedCrossEntropy::apply(logits, targets.row, targets.column, targets.weight);
}

}  // namespace tutti::trainer
