#include "trainer/models/llama_layers.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/silu.h>

#include "trainer/models/linear.h"

namespace tutti::trainer {

using checkpoints::LlamaConfig;

namespace {

// Element i of a head and element i + head_dim / 2 turn together. x [R, heads, head_dim]
at::Tensor turned(const at::Tensor& x, const Rotation& rotation) {
  const int64_t half = x.size(2) / 2;
  const at::Tensor a = x.narrow(2, 0, half), b = x.narrow(2, half, half);
  return at::cat({a * rotation.cosine - b * rotation.sine, b * rotation.cosine + a * rotation.sine},
                 2);
}

// One of q, k, v out of their product, as heads [R, heads, head_dim]; norm and bias may be
// undefined.
at::Tensor heads_of(const LlamaConfig& config, const at::Tensor& columns, const at::Tensor& bias,
                    const at::Tensor& norm) {
  at::Tensor x = bias.defined() ? columns + bias : columns;
  const int64_t rows = x.size(0);
  if (norm.defined()) {
    x = rms_norm(x.reshape({-1, config.head_dim}), norm, config.rms_norm_eps);
  }
  return x.reshape({rows, -1, config.head_dim});
}

// Every query head reads keys and values of its own: [P, 2 * key_value_dim] -> [P, 2 * query_dim].
at::Tensor for_each_query_head(const LlamaConfig& config, const at::Tensor& kv) {
  const int64_t shared = config.num_attention_heads / config.num_key_value_heads;
  if (shared == 1) return kv;
  return kv.view({-1, 2, config.num_key_value_heads, 1, config.head_dim})
      .expand({-1, -1, -1, shared, -1})
      .reshape({kv.size(0), 2 * config.query_dim()});
}

}  // namespace

Rotation rotation_of(const LlamaConfig& config, const std::vector<int64_t>& position,
                     at::Device device) {
  const std::vector<double> frequencies = checkpoints::rope_inverse_frequencies(config);
  const int64_t rows = std::ssize(position), half = std::ssize(frequencies);
  const Rotation rotation = {.cosine = at::empty({rows, 1, half}, at::kFloat),
                             .sine = at::empty({rows, 1, half}, at::kFloat)};
  auto *cosine = rotation.cosine.mutable_data_ptr<float>(),
       *sine = rotation.sine.mutable_data_ptr<float>();
  for (const int64_t p : position) {
    for (const double frequency : frequencies) {
      const double angle = static_cast<double>(p) * frequency;
      *cosine++ = static_cast<float>(std::cos(angle));
      *sine++ = static_cast<float>(std::sin(angle));
    }
  }
  return {.cosine = rotation.cosine.to(device), .sine = rotation.sine.to(device)};
}

at::Tensor llama_layer(const LlamaConfig& config, const LlamaLayer& layer, const at::Tensor& x,
                       const Rotation& rotation, const AttentionLists& lists,
                       const at::Tensor& before, at::Tensor* own) {
  const int64_t rows = x.size(0), q_dim = config.query_dim(), kv_dim = config.key_value_dim();
  const auto attention_in = rms_norm_residual(x, layer.attention_norm, config.rms_norm_eps,
                                              layer.qkv.compute.scalar_type());
  const at::Tensor qkv = linear(attention_in.normed, layer.qkv).to(at::kFloat);
  const at::Tensor q =
      turned(heads_of(config, qkv.narrow(1, 0, q_dim), layer.q_bias, layer.q_norm), rotation);
  const at::Tensor k =
      turned(heads_of(config, qkv.narrow(1, q_dim, kv_dim), layer.k_bias, layer.k_norm), rotation);
  const at::Tensor v = heads_of(config, qkv.narrow(1, q_dim + kv_dim, kv_dim), layer.v_bias, {});
  at::Tensor kv = at::cat({k.reshape({rows, kv_dim}), v.reshape({rows, kv_dim})}, 1);
  if (own != nullptr) *own = kv;
  if (before.defined()) kv = at::cat({before, kv});
  // The attention operator has no scale: queries come scaled.
  const at::Tensor scaled =
      q.reshape({rows, q_dim}) / std::sqrt(static_cast<double>(config.head_dim));
  const at::Tensor mixed = list_attention(scaled, for_each_query_head(config, kv), {}, lists,
                                          config.num_attention_heads);
  const at::Tensor attended = linear_residual(attention_in.residual, mixed, layer.o);

  const auto inner_in = rms_norm_residual(attended, layer.inner_norm, config.rms_norm_eps,
                                          layer.gate_up.compute.scalar_type());
  const std::vector<at::Tensor> gate_up = linear(inner_in.normed, layer.gate_up).chunk(2, 1);
  return linear_residual(inner_in.residual, at::silu(gate_up[0]) * gate_up[1], layer.down);
}

double llama_row_flops(const LlamaConfig& config) {
  const int64_t weights =
      config.hidden_size *
      (2 * config.query_dim() + 2 * config.key_value_dim() + 3 * config.intermediate_size);
  return 2 * static_cast<double>(config.num_hidden_layers * weights);
}

}  // namespace tutti::trainer
