#include "trainer/models/bert_encoder.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include "checkpoints/bert_tensors.h"
#include "trainer/models/checkpointed.h"
#include "trainer/models/linear.h"

namespace tutti::trainer {
namespace {

const std::string kPrefix = "bert.";
const std::string kWords = "embeddings.word_embeddings.weight";

std::string layer_prefix(int64_t layer) {
  return kPrefix + "encoder.layer." + std::to_string(layer) + ".";
}

std::vector<std::string> qkv_names(const std::string& layer) {
  const std::string self = layer + "attention.self.";
  return {self + "query.weight", self + "key.weight", self + "value.weight"};
}

}  // namespace

BertEncoder::BertEncoder(const checkpoints::BertConfig& config, ParameterStore& store,
                         bool trainable, bool words_as_rows)
    : config_(config) {
  for (const checkpoints::TensorShape& tensor : checkpoints::bert_tensors(config)) {
    const bool decay = tensor.shape.size() > 1;  // matrices, not biases and norms
    if (tensor.name == kWords && words_as_rows) {
      store.declare_rows(kPrefix + tensor.name, tensor.shape, trainable);
    } else {
      store.declare(kPrefix + tensor.name, tensor.shape, decay, trainable);
    }
  }
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    store.place_together(qkv_names(layer_prefix(i)));
  }
}

void BertEncoder::bind(const ParameterStore& store) {
  const auto norm = [&](const std::string& at) {
    return Norm{.weight = store.value(at + ".weight"), .bias = store.value(at + ".bias")};
  };
  words_ = store.weight({kPrefix + kWords});
  positions_ = store.weight({kPrefix + "embeddings.position_embeddings.weight"});
  types_ = store.value(kPrefix + "embeddings.token_type_embeddings.weight");
  embedding_norm_ = norm(kPrefix + "embeddings.LayerNorm");
  query_scale_ = at::ones({3 * config_.hidden_size}, types_.options().requires_grad(false));
  query_scale_.narrow(0, 0, config_.hidden_size)
      .fill_(1.0 / std::sqrt(static_cast<double>(config_.head_dim())));
  layers_.clear();
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    const std::string layer = layer_prefix(i), self = layer + "attention.self.";
    layers_.push_back({.qkv = store.weight(qkv_names(layer)),
                       .o = store.weight({layer + "attention.output.dense.weight"}),
                       .up = store.weight({layer + "intermediate.dense.weight"}),
                       .down = store.weight({layer + "output.dense.weight"}),
                       .q_bias = store.value(self + "query.bias"),
                       .k_bias = store.value(self + "key.bias"),
                       .v_bias = store.value(self + "value.bias"),
                       .o_bias = store.value(layer + "attention.output.dense.bias"),
                       .up_bias = store.value(layer + "intermediate.dense.bias"),
                       .down_bias = store.value(layer + "output.dense.bias"),
                       .attention_norm = norm(layer + "attention.output.LayerNorm"),
                       .output_norm = norm(layer + "output.LayerNorm")});
  }
}

at::Tensor BertEncoder::normalized(const at::Tensor& x, const Norm& norm) const {
  return at::layer_norm(x, {config_.hidden_size}, norm.weight, norm.bias, config_.layer_norm_eps);
}

// The attention operator has no scale: queries come scaled.
at::Tensor BertEncoder::attention(const Layer& layer, const at::Tensor& x,
                                  const AttentionLists& lists) const {
  const at::Tensor bias = at::cat({layer.q_bias, layer.k_bias, layer.v_bias});
  const at::Tensor qkv = (linear(x, layer.qkv) + bias) * query_scale_;
  const at::Tensor mixed = list_self_attention(qkv, {}, lists, config_.num_attention_heads);
  return normalized(linear_residual(x, mixed, layer.o) + layer.o_bias, layer.attention_norm);
}

at::Tensor BertEncoder::feed_forward(const Layer& layer, const at::Tensor& x) const {
  const at::Tensor inner = at::gelu(linear(x, layer.up) + layer.up_bias);
  return normalized(linear_residual(x, inner, layer.down) + layer.down_bias, layer.output_norm);
}

at::Tensor BertEncoder::encode(const TitleRows& titles, const at::Tensor& lengths,
                               bool checkpoint_activations) const {
  std::vector<int64_t> position = titles.position;
  for (int64_t& p : position) p = std::min(p, config_.max_position_embeddings - 1);
  const AttentionLists lists = on_device(title_lists(titles.title, lengths), types_.device());
  at::Tensor x = gather_rows(words_, at::tensor(titles.tokens, at::kLong)) +
                 gather_rows(positions_, at::tensor(position, at::kLong)) + types_.select(0, 0);
  x = normalized(x, embedding_norm_);
  for (const Layer& layer : layers_) {
    const auto block = [this, &layer, lists](const std::vector<at::Tensor>& in) {
      return feed_forward(layer, attention(layer, in[0], lists));
    };
    x = checkpoint_activations ? checkpointed(block, {x}) : block({x});
  }
  return x;
}

double BertEncoder::token_flops() const {
  const auto d = static_cast<double>(config_.hidden_size),
             inner = static_cast<double>(config_.intermediate_size);
  return 2 * static_cast<double>(config_.num_hidden_layers) * (4 * d * d + 2 * d * inner);
}
double BertEncoder::pair_flops() const {
  return 4 * static_cast<double>(config_.num_hidden_layers * config_.hidden_size);
}

}  // namespace tutti::trainer
