#include "trainer/models/llama_layers.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include "trainer/models/linear.h"

namespace tutti::trainer {

using checkpoints::LlamaConfig;

namespace {

// Biases and norms of heads, where the family has them.
at::Tensor with_bias_and_norms(const LlamaConfig& config, const LlamaLayer& layer, at::Tensor qkv) {
  if (layer.q_bias.defined()) qkv = qkv + at::cat({layer.q_bias, layer.k_bias, layer.v_bias});
  if (!layer.q_norm.defined()) return qkv;
  const int64_t rows = qkv.size(0), q_dim = config.query_dim(), kv_dim = config.key_value_dim();
  const auto normed = [&](int64_t first, int64_t width, const at::Tensor& norm) {
    const at::Tensor heads = qkv.narrow(1, first, width).reshape({-1, config.head_dim});
    return rms_norm(heads, norm, config.rms_norm_eps).view({rows, width});
  };
  return at::cat({normed(0, q_dim, layer.q_norm), normed(q_dim, kv_dim, layer.k_norm),
                  qkv.narrow(1, q_dim + kv_dim, kv_dim)},
                 1);
}

}  // namespace

Rotation rotation_of(const LlamaConfig& config, const std::vector<int64_t>& position,
                     at::Device device) {
  const std::vector<double> frequencies = checkpoints::rope_inverse_frequencies(config);
  const int64_t rows = std::ssize(position), half = std::ssize(frequencies);
  const Rotation rotation = {.cosine = at::empty({rows, half}, at::kFloat),
                             .sine = at::empty({rows, half}, at::kFloat)};
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
  const int64_t q_dim = config.query_dim(), kv_dim = config.key_value_dim();
  const auto attention_in = rms_norm_residual(x, layer.attention_norm, config.rms_norm_eps,
                                              layer.qkv.compute.scalar_type());
  // The attention operator has no scale: queries come scaled.
  const at::Tensor qkv = turned_heads(
      with_bias_and_norms(config, layer, linear(attention_in.normed, layer.qkv).to(at::kFloat)),
      rotation, config.num_attention_heads, config.num_key_value_heads,
      1 / std::sqrt(static_cast<double>(config.head_dim)));
  if (own != nullptr) *own = qkv.narrow(1, q_dim, 2 * kv_dim).contiguous();
  const at::Tensor mixed = before.defined()
                               ? list_attention(qkv.narrow(1, 0, q_dim),
                                                at::cat({before, qkv.narrow(1, q_dim, 2 * kv_dim)}),
                                                {}, lists, config.num_attention_heads)
                               : list_self_attention(qkv, {}, lists, config.num_attention_heads,
                                                     config.num_key_value_heads);
  const at::Tensor attended = linear_residual(attention_in.residual, mixed, layer.o);

  const auto inner_in = rms_norm_residual(attended, layer.inner_norm, config.rms_norm_eps,
                                          layer.gate_up.compute.scalar_type());
  return linear_residual(inner_in.residual, gated_silu(linear(inner_in.normed, layer.gate_up)),
                         layer.down);
}

double llama_row_flops(const LlamaConfig& config) {
  const int64_t weights =
      config.hidden_size *
      (2 * config.query_dim() + 2 * config.key_value_dim() + 3 * config.intermediate_size);
  return 2 * static_cast<double>(config.num_hidden_layers * weights);
}

}  // namespace tutti::trainer
