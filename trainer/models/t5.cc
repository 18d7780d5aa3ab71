#include "trainer/models/t5.h"

#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kAlignment = 16;       // elements: a cache line of fp32
constexpr int64_t kDecoderStartRow = 0;  // T5 starts the decoder with the pad token

struct Attention {
  at::Tensor q, k, v;  // [inner, d_model]
  at::Tensor o;        // [d_model, inner]
  at::Tensor norm;     // [d_model], the RMS norm in front
};

struct FeedForward {
  at::Tensor wi_0, wi_1;  // [d_ff, d_model]
  at::Tensor wo;          // [d_model, d_ff]
  at::Tensor norm;
};

struct EncoderBlock {
  Attention self;
  FeedForward feed_forward;
};

struct DecoderBlock {
  Attention self, cross;
  FeedForward feed_forward;
};

// T5's bucket of a relative position (key minus query): half of the buckets are exact, the others
// logarithmic up to max_distance, the last one open. Bidirectional attention keeps half of the
// buckets for keys to the right.
int64_t relative_bucket(int64_t relative, bool bidirectional, int64_t num_buckets,
                        int64_t max_distance) {
  int64_t bucket = 0;
  if (bidirectional) {
    num_buckets /= 2;
    if (relative > 0) bucket += num_buckets;
    relative = std::abs(relative);
  } else {
    relative = std::max<int64_t>(-relative, 0);
  }
  const int64_t max_exact = num_buckets / 2;
  if (relative < max_exact) return bucket + relative;
  // In float, as the original: the borders between buckets depend on the rounding.
  const float position =
      std::log(static_cast<float>(relative) / static_cast<float>(max_exact)) /
      static_cast<float>(std::log(static_cast<double>(max_distance) / max_exact)) *
      static_cast<float>(num_buckets - max_exact);
  return bucket + std::min(max_exact + static_cast<int64_t>(position), num_buckets - 1);
}

// [queries * keys] buckets as an int64 tensor, for positions 0 .. n-1.
at::Tensor bucket_table(int64_t num_queries, int64_t num_keys, bool bidirectional,
                        const T5Config& config) {
  at::Tensor table = at::zeros({num_queries * num_keys}, at::kLong);
  int64_t* out = table.mutable_data_ptr<int64_t>();
  for (int64_t q = 0; q < num_queries; ++q) {
    for (int64_t k = 0; k < num_keys; ++k) {
      out[q * num_keys + k] =
          relative_bucket(k - q, bidirectional, config.relative_attention_num_buckets,
                          config.relative_attention_max_distance);
    }
  }
  return table;
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const at::Tensor scale = at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + epsilon);
  return x * scale * weight;
}

at::Tensor feed_forward(const FeedForward& layer, const at::Tensor& x, double epsilon) {
  const at::Tensor normed = rms_norm(x, layer.norm, epsilon);
  const at::Tensor gate = at::gelu(at::linear(normed, layer.wi_0), "tanh");
  return x + at::linear(gate * at::linear(normed, layer.wi_1), layer.wo);
}

// [B, S] additive mask: 0 for a title's own tokens, -inf at padding.
at::Tensor padding_bias(const at::Tensor& lengths, int64_t title_length,
                        const at::TensorOptions& options) {
  const at::Tensor inside =
      at::arange(title_length, lengths.options()).unsqueeze(0) < lengths.unsqueeze(1);
  const at::Tensor zero = at::zeros({1}, options);
  return at::where(inside, zero, zero - std::numeric_limits<float>::infinity());
}

}  // namespace

struct T5Model::Impl {
  T5Config config;
  std::vector<Parameter> parameters;
  at::Tensor flat_values, flat_grads;
  int64_t num_decay_elements = 0, num_parameters = 0;

  at::Tensor shared, id_embedding, id_head;
  at::Tensor encoder_bias, decoder_bias;  // [buckets, H]
  at::Tensor encoder_norm, decoder_norm;
  std::vector<EncoderBlock> encoder;
  std::vector<DecoderBlock> decoder;

  void declare(const std::string& name, std::vector<int64_t> shape, bool decay = true) {
    parameters.push_back({name, std::move(shape), {}, decay});
  }
  void declare_attention(const std::string& layer, const std::string& kind) {
    const int64_t inner = config.inner_dim();
    for (const char* projection : {"q", "k", "v"}) {
      declare(layer + "." + kind + "." + projection + ".weight", {inner, config.d_model});
    }
    declare(layer + "." + kind + ".o.weight", {config.d_model, inner});
    declare(layer + ".layer_norm.weight", {config.d_model}, /*decay=*/false);
  }
  void declare_feed_forward(const std::string& layer) {
    declare(layer + ".DenseReluDense.wi_0.weight", {config.d_ff, config.d_model});
    declare(layer + ".DenseReluDense.wi_1.weight", {config.d_ff, config.d_model});
    declare(layer + ".DenseReluDense.wo.weight", {config.d_model, config.d_ff});
    declare(layer + ".layer_norm.weight", {config.d_model}, /*decay=*/false);
  }
  void declare_stack(const std::string& stack, int64_t num_layers, bool is_decoder) {
    for (int64_t i = 0; i < num_layers; ++i) {
      const std::string block = stack + ".block." + std::to_string(i) + ".layer.";
      declare_attention(block + "0", "SelfAttention");
      if (i == 0) {
        declare(block + "0.SelfAttention.relative_attention_bias.weight",
                {config.relative_attention_num_buckets, config.num_heads}, /*decay=*/false);
      }
      if (is_decoder) declare_attention(block + "1", "EncDecAttention");
      declare_feed_forward(block + (is_decoder ? "2" : "1"));
    }
    declare(stack + ".final_layer_norm.weight", {config.d_model}, /*decay=*/false);
  }

  at::Tensor value(const std::string& name) const {
    for (const Parameter& p : parameters) {
      if (p.name == name) return p.value;
    }
    fail_check("parameter exists", name);
  }
  Attention attention(const std::string& layer, const std::string& kind) const {
    const std::string prefix = layer + "." + kind + ".";
    return {value(prefix + "q.weight"), value(prefix + "k.weight"), value(prefix + "v.weight"),
            value(prefix + "o.weight"), value(layer + ".layer_norm.weight")};
  }
  FeedForward feed_forward_of(const std::string& layer) const {
    const std::string prefix = layer + ".DenseReluDense.";
    return {value(prefix + "wi_0.weight"), value(prefix + "wi_1.weight"),
            value(prefix + "wo.weight"), value(layer + ".layer_norm.weight")};
  }

  void allocate();
  void bind();

  at::Tensor split_heads(const at::Tensor& x) const {  // [..., H * d_kv] -> [..., H, d_kv]
    std::vector<int64_t> shape = x.sizes().vec();
    shape.back() = config.num_heads;
    shape.push_back(config.d_kv);
    return x.view(shape);
  }
  at::Tensor tree_self_attention(const DecoderBlock& block, const at::Tensor& x,
                                 const TreeInputs& tree, const at::Tensor& bias) const;
  at::Tensor tree_cross_attention(const DecoderBlock& block, const at::Tensor& x,
                                  const at::Tensor& encoded, const at::Tensor& cross_bias,
                                  const TreeInputs& tree) const;
  std::pair<at::Tensor, at::Tensor> cross_keys_values(const DecoderBlock& block,
                                                      const at::Tensor& encoded) const;
};

// Lays all parameters out in the two flat buffers, those with weight decay first.
void T5Model::Impl::allocate() {
  std::vector<int64_t> offsets(parameters.size());
  int64_t total = 0;
  for (const bool decay : {true, false}) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (parameters[i].decay != decay) continue;
      int64_t count = 1;
      for (int64_t n : parameters[i].shape) count *= n;
      offsets[i] = total;
      num_parameters += count;
      total += (count + kAlignment - 1) / kAlignment * kAlignment;
    }
    if (decay) num_decay_elements = total;
  }
  flat_values = at::zeros({total}, at::kFloat);
  flat_grads = at::zeros({total}, at::kFloat);
  for (size_t i = 0; i < parameters.size(); ++i) {
    Parameter& p = parameters[i];
    int64_t count = 1;
    for (int64_t n : p.shape) count *= n;
    p.value = flat_values.narrow(0, offsets[i], count).view(p.shape).detach();
    p.value.set_requires_grad(true);
    p.value.mutable_grad() = flat_grads.narrow(0, offsets[i], count).view(p.shape);
  }
}

void T5Model::Impl::bind() {
  shared = value("shared.weight");
  id_embedding = value("id_embedding.weight");
  id_head = value("lm_head.id.weight");
  encoder_bias = value("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  decoder_bias = value("decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  encoder_norm = value("encoder.final_layer_norm.weight");
  decoder_norm = value("decoder.final_layer_norm.weight");
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string block = "encoder.block." + std::to_string(i) + ".layer.";
    encoder.push_back({attention(block + "0", "SelfAttention"), feed_forward_of(block + "1")});
  }
  for (int64_t i = 0; i < config.num_decoder_layers; ++i) {
    const std::string block = "decoder.block." + std::to_string(i) + ".layer.";
    decoder.push_back({attention(block + "0", "SelfAttention"),
                       attention(block + "1", "EncDecAttention"), feed_forward_of(block + "2")});
  }
}

T5Model::T5Model(const T5Config& config) : impl_(std::make_unique<Impl>()) {
  impl_->config = config;
  impl_->declare("shared.weight", {config.text_rows, config.d_model});
  impl_->declare("id_embedding.weight", {config.id_tokens, config.d_model});
  impl_->declare_stack("encoder", config.num_layers, /*is_decoder=*/false);
  impl_->declare_stack("decoder", config.num_decoder_layers, /*is_decoder=*/true);
  impl_->declare("lm_head.id.weight", {config.id_tokens, config.d_model});
  impl_->allocate();
  impl_->bind();
}

T5Model::~T5Model() = default;
T5Model::T5Model(T5Model&&) noexcept = default;

const T5Config& T5Model::config() const {
  return impl_->config;
}
std::vector<Parameter>& T5Model::parameters() {
  return impl_->parameters;
}
const std::vector<Parameter>& T5Model::parameters() const {
  return impl_->parameters;
}
at::Tensor T5Model::flat_values() const {
  return impl_->flat_values;
}
at::Tensor T5Model::flat_grads() const {
  return impl_->flat_grads;
}
int64_t T5Model::num_decay_elements() const {
  return impl_->num_decay_elements;
}
int64_t T5Model::num_parameters() const {
  return impl_->num_parameters;
}

Parameter* T5Model::find(const std::string& name) {
  for (Parameter& p : impl_->parameters) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

void T5Model::initialize(uint64_t seed) {
  const c10::NoGradGuard no_grad;
  const T5Config& c = impl_->config;
  const auto ends_with = [](const std::string& name, const char* suffix) {
    return name.ends_with(suffix);
  };
  for (size_t i = 0; i < impl_->parameters.size(); ++i) {
    Parameter& p = impl_->parameters[i];
    double std_dev = std::pow(c.d_model, -0.5);
    if (ends_with(p.name, "layer_norm.weight")) {
      p.value.fill_(1.0);
      continue;
    }
    if (p.name == "shared.weight" || p.name == "id_embedding.weight") std_dev = 1.0;
    if (ends_with(p.name, ".q.weight")) std_dev = std::pow(c.d_model * c.d_kv, -0.5);
    if (ends_with(p.name, ".o.weight")) std_dev = std::pow(c.inner_dim(), -0.5);
    if (ends_with(p.name, ".wo.weight")) std_dev = std::pow(c.d_ff, -0.5);
    Rng rng(seed, Purpose::kModelInit, i);
    float* out = p.value.mutable_data_ptr<float>();
    for (int64_t k = 0; k < p.value.numel(); ++k)
      out[k] = static_cast<float>(std_dev * rng.normal());
  }
}

at::Tensor T5Model::encode(const at::Tensor& tokens, const at::Tensor& lengths) const {
  const Impl& m = *impl_;
  const double epsilon = m.config.layer_norm_epsilon;
  const int64_t num_titles = tokens.size(0), length = tokens.size(1);
  at::Tensor x = at::embedding(m.shared, tokens);  // [B, S, d]
  const at::Tensor position_bias =
      at::embedding(m.encoder_bias, bucket_table(length, length, /*bidirectional=*/true, m.config))
          .view({1, length, length, m.config.num_heads})
          .permute({0, 3, 1, 2});  // [1, H, S, S]
  const at::Tensor bias =
      position_bias + padding_bias(lengths, length, x.options()).view({num_titles, 1, 1, length});
  for (const EncoderBlock& block : m.encoder) {
    const at::Tensor normed = rms_norm(x, block.self.norm, epsilon);
    const at::Tensor q =
        m.split_heads(at::linear(normed, block.self.q)).transpose(1, 2);  // [B, H, S, d_kv]
    const at::Tensor k = m.split_heads(at::linear(normed, block.self.k)).transpose(1, 2);
    const at::Tensor v = m.split_heads(at::linear(normed, block.self.v)).transpose(1, 2);
    const at::Tensor weights = at::softmax(at::matmul(q, k.transpose(2, 3)) + bias, -1);
    const at::Tensor mixed =
        at::matmul(weights, v).transpose(1, 2).reshape({num_titles, length, m.config.inner_dim()});
    x = feed_forward(block.feed_forward, x + at::linear(mixed, block.self.o), epsilon);
  }
  return rms_norm(x, m.encoder_norm, epsilon);
}

// A node's keys are its ancestors and itself: gathered, since paths are a few nodes long.
at::Tensor T5Model::Impl::tree_self_attention(const DecoderBlock& block, const at::Tensor& x,
                                              const TreeInputs& tree,
                                              const at::Tensor& bias) const {
  const int64_t num_nodes = x.size(0), depth = tree.ancestors.size(1);
  const at::Tensor normed = rms_norm(x, block.self.norm, config.layer_norm_epsilon);
  const at::Tensor q =
      split_heads(at::linear(normed, block.self.q)).unsqueeze(1);  // [M, 1, H, d_kv]
  const at::Tensor path = tree.ancestors.view({-1});
  const std::vector<int64_t> gathered = {num_nodes, depth, config.num_heads, config.d_kv};
  const at::Tensor k = at::linear(normed, block.self.k).index_select(0, path).view(gathered);
  const at::Tensor v = at::linear(normed, block.self.v).index_select(0, path).view(gathered);
  const at::Tensor weights = at::softmax((q * k).sum(-1) + bias, 1);  // [M, T, H]
  const at::Tensor mixed = (weights.unsqueeze(-1) * v).sum(1);        // [M, H, d_kv]
  return x + at::linear(mixed.reshape({num_nodes, config.inner_dim()}), block.self.o);
}

std::pair<at::Tensor, at::Tensor> T5Model::Impl::cross_keys_values(
    const DecoderBlock& block, const at::Tensor& encoded) const {
  return {split_heads(at::linear(encoded, block.cross.k)).transpose(1, 2),  // [B, H, S, d_kv]
          split_heads(at::linear(encoded, block.cross.v)).transpose(1, 2)};
}

// Queries are padded to [B, N] for the two small products only.
at::Tensor T5Model::Impl::tree_cross_attention(const DecoderBlock& block, const at::Tensor& x,
                                               const at::Tensor& encoded,
                                               const at::Tensor& cross_bias,
                                               const TreeInputs& tree) const {
  const int64_t num_titles = encoded.size(0), padded_nodes = tree.max_nodes_of_title;
  const at::Tensor normed = rms_norm(x, block.cross.norm, config.layer_norm_epsilon);
  const at::Tensor q = at::linear(normed, block.cross.q);
  const at::Tensor padded = at::zeros({num_titles * padded_nodes, config.inner_dim()}, q.options())
                                .index_copy(0, tree.slot, q)
                                .view({num_titles, padded_nodes, config.num_heads, config.d_kv})
                                .transpose(1, 2);  // [B, H, N, d_kv]
  const auto [k, v] = cross_keys_values(block, encoded);
  const at::Tensor weights = at::softmax(at::matmul(padded, k.transpose(2, 3)) + cross_bias, -1);
  const at::Tensor mixed = at::matmul(weights, v)
                               .transpose(1, 2)
                               .reshape({num_titles * padded_nodes, config.inner_dim()})
                               .index_select(0, tree.slot);
  return x + at::linear(mixed, block.cross.o);
}

at::Tensor T5Model::decode_tree(const at::Tensor& encoded, const at::Tensor& lengths,
                                const TreeInputs& tree) const {
  const Impl& m = *impl_;
  const int64_t num_titles = encoded.size(0), title_length = encoded.size(1);
  const int64_t num_nodes = tree.input.size(0), max_depth = tree.ancestors.size(1);

  const at::Tensor starts =
      m.shared.narrow(0, kDecoderStartRow, 1).expand({num_titles, m.config.d_model});
  at::Tensor x =
      num_nodes == num_titles
          ? starts
          : at::cat(
                {starts, at::embedding(m.id_embedding,
                                       tree.input.narrow(0, num_titles, num_nodes - num_titles))});

  // bias[depth of the node, depth of the ancestor], -inf where the ancestor is no ancestor.
  const at::Tensor position_bias =
      at::embedding(m.decoder_bias,
                    bucket_table(max_depth, max_depth, /*bidirectional=*/false, m.config))
          .view({max_depth, max_depth, m.config.num_heads});
  const at::Tensor positions = at::arange(max_depth, tree.depth.options());
  const at::Tensor is_ancestor = (positions.unsqueeze(0) <= positions.unsqueeze(1)).unsqueeze(-1);
  const at::Tensor minus_infinity =
      at::zeros({1}, x.options()) - std::numeric_limits<float>::infinity();
  const at::Tensor bias =
      at::where(is_ancestor, position_bias, minus_infinity).index_select(0, tree.depth);

  const at::Tensor cross_bias =
      padding_bias(lengths, title_length, x.options()).view({num_titles, 1, 1, title_length});
  for (const DecoderBlock& block : m.decoder) {
    x = m.tree_self_attention(block, x, tree, bias);
    x = m.tree_cross_attention(block, x, encoded, cross_bias, tree);
    x = feed_forward(block.feed_forward, x, m.config.layer_norm_epsilon);
  }
  return rms_norm(x, m.decoder_norm, m.config.layer_norm_epsilon);
}

DecoderState T5Model::start(const at::Tensor& encoded, const at::Tensor& lengths) const {
  const Impl& m = *impl_;
  DecoderState state;
  for (const DecoderBlock& block : m.decoder) {
    auto [k, v] = m.cross_keys_values(block, encoded);
    state.cross_k.push_back(k);
    state.cross_v.push_back(v);
  }
  state.cross_bias =
      padding_bias(lengths, encoded.size(1), encoded.options()).view({-1, 1, 1, encoded.size(1)});
  return state;
}

at::Tensor T5Model::step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                         const at::Tensor& title) const {
  const Impl& m = *impl_;
  const T5Config& c = m.config;
  const int64_t rows = title.size(0);
  const bool first = state.self_k.empty();
  at::Tensor x = first ? m.shared.narrow(0, kDecoderStartRow, 1).expand({rows, c.d_model})
                       : at::embedding(m.id_embedding, inputs);
  const int64_t num_keys = first ? 1 : state.self_k[0].size(1) + 1;
  const at::Tensor bias =  // of the last query against all keys, [1, H, 1, keys]
      at::embedding(m.decoder_bias, bucket_table(num_keys, num_keys, /*bidirectional=*/false, c)
                                        .narrow(0, (num_keys - 1) * num_keys, num_keys))
          .t()
          .view({1, c.num_heads, 1, num_keys});
  const at::Tensor cross_bias = state.cross_bias.index_select(0, title);
  if (first) {
    state.self_k.resize(m.decoder.size());
    state.self_v.resize(m.decoder.size());
  }
  for (size_t layer = 0; layer < m.decoder.size(); ++layer) {
    const DecoderBlock& block = m.decoder[layer];
    at::Tensor normed = rms_norm(x, block.self.norm, c.layer_norm_epsilon);
    const at::Tensor q =
        m.split_heads(at::linear(normed, block.self.q)).unsqueeze(2);  // [rows, H, 1, d_kv]
    at::Tensor k =
        m.split_heads(at::linear(normed, block.self.k)).unsqueeze(1);  // [rows, 1, H, d_kv]
    at::Tensor v = m.split_heads(at::linear(normed, block.self.v)).unsqueeze(1);
    if (!first) {
      k = at::cat({state.self_k[layer].index_select(0, parent), k}, 1);
      v = at::cat({state.self_v[layer].index_select(0, parent), v}, 1);
    }
    state.self_k[layer] = k;
    state.self_v[layer] = v;
    at::Tensor weights =
        at::softmax(at::matmul(q, k.permute({0, 2, 3, 1})) + bias, -1);  // [rows, H, 1, t]
    at::Tensor mixed = at::matmul(weights, v.transpose(1, 2)).reshape({rows, c.inner_dim()});
    x = x + at::linear(mixed, block.self.o);

    normed = rms_norm(x, block.cross.norm, c.layer_norm_epsilon);
    const at::Tensor cross_q = m.split_heads(at::linear(normed, block.cross.q)).unsqueeze(2);
    const at::Tensor cross_k = state.cross_k[layer].index_select(0, title);
    const at::Tensor cross_v = state.cross_v[layer].index_select(0, title);
    weights = at::softmax(at::matmul(cross_q, cross_k.transpose(2, 3)) + cross_bias, -1);
    mixed = at::matmul(weights, cross_v).reshape({rows, c.inner_dim()});
    x = x + at::linear(mixed, block.cross.o);

    x = feed_forward(block.feed_forward, x, c.layer_norm_epsilon);
  }
  return rms_norm(x, m.decoder_norm, c.layer_norm_epsilon);
}

at::Tensor T5Model::logits(const at::Tensor& hidden, int64_t first_token,
                           int64_t num_tokens) const {
  return at::linear(hidden, impl_->id_head.narrow(0, first_token, num_tokens));
}

}  // namespace tutti::trainer
