#include "trainer/models/t5.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "trainer/models/fused_ops.h"

namespace tutti::trainer {
namespace {

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

at::Tensor feed_forward(const FeedForward& layer, const at::Tensor& x, double epsilon) {
  const at::Tensor normed = rms_norm(x, layer.norm, epsilon);
  return x + at::linear(gated_gelu(at::linear(normed, layer.wi_0), at::linear(normed, layer.wi_1)),
                        layer.wo);
}

// Every query attends to all tokens of its title. `title`: of each query; the tokens of title b are
// the rows after those of the titles before.
AttentionLists title_lists(const std::vector<int64_t>& title, const at::Tensor& lengths) {
  const int64_t num_titles = lengths.size(0);
  const auto* length = lengths.const_data_ptr<int64_t>();
  std::vector<int64_t> first_row(num_titles + 1, 0);
  for (int64_t b = 0; b < num_titles; ++b) first_row[b + 1] = first_row[b] + length[b];
  const int64_t longest = *std::max_element(length, length + num_titles),
                queries = std::ssize(title);
  AttentionLists lists = {.keys = at::zeros({queries, longest}, at::kLong),
                          .counts = at::zeros({queries}, at::kLong),
                          .position = {}};
  auto *keys = lists.keys.mutable_data_ptr<int64_t>(),
       *counts = lists.counts.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < queries; ++i) {
    counts[i] = length[title[i]];
    for (int64_t t = 0; t < counts[i]; ++t) keys[i * longest + t] = first_row[title[i]] + t;
  }
  return lists;
}

std::vector<int64_t> copy_of(const at::Tensor& t) {
  return {t.const_data_ptr<int64_t>(), t.const_data_ptr<int64_t>() + t.numel()};
}

}  // namespace

struct T5Model::Impl {
  T5Config config;
  ParameterStore parameters;

  at::Tensor shared, id_embedding, id_head;
  at::Tensor encoder_bias, decoder_bias;  // [buckets, H]
  at::Tensor encoder_norm, decoder_norm;
  std::vector<EncoderBlock> encoder;
  std::vector<DecoderBlock> decoder;

  void declare_attention(const std::string& layer, const std::string& kind) {
    const int64_t inner = config.inner_dim();
    for (const char* projection : {"q", "k", "v"}) {
      parameters.declare(layer + "." + kind + "." + projection + ".weight",
                         {inner, config.d_model});
    }
    parameters.declare(layer + "." + kind + ".o.weight", {config.d_model, inner});
    parameters.declare(layer + ".layer_norm.weight", {config.d_model}, /*decay=*/false);
  }
  void declare_feed_forward(const std::string& layer) {
    parameters.declare(layer + ".DenseReluDense.wi_0.weight", {config.d_ff, config.d_model});
    parameters.declare(layer + ".DenseReluDense.wi_1.weight", {config.d_ff, config.d_model});
    parameters.declare(layer + ".DenseReluDense.wo.weight", {config.d_model, config.d_ff});
    parameters.declare(layer + ".layer_norm.weight", {config.d_model}, /*decay=*/false);
  }
  void declare_stack(const std::string& stack, int64_t num_layers, bool is_decoder) {
    for (int64_t i = 0; i < num_layers; ++i) {
      const std::string block = stack + ".block." + std::to_string(i) + ".layer.";
      declare_attention(block + "0", "SelfAttention");
      if (i == 0) {
        parameters.declare(block + "0.SelfAttention.relative_attention_bias.weight",
                           {config.relative_attention_num_buckets, config.num_heads},
                           /*decay=*/false);
      }
      if (is_decoder) declare_attention(block + "1", "EncDecAttention");
      declare_feed_forward(block + (is_decoder ? "2" : "1"));
    }
    parameters.declare(stack + ".final_layer_norm.weight", {config.d_model}, /*decay=*/false);
  }

  at::Tensor value(const std::string& name) const { return parameters.value(name); }
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

  void bind();

  // The residual branch of attention from x [Q, d] to the rows of `from`, as the lists say.
  at::Tensor attend(const Attention& layer, const at::Tensor& x, const at::Tensor& k,
                    const at::Tensor& v, const at::Tensor& bias, const AttentionLists& lists,
                    const at::Tensor& normed) const {
    const at::Tensor mixed =
        list_attention(at::linear(normed, layer.q), k, v, bias, lists, config.num_heads);
    return x + at::linear(mixed, layer.o);
  }
  at::Tensor self_attention(const Attention& layer, const at::Tensor& x, const at::Tensor& bias,
                            const AttentionLists& lists) const {
    const at::Tensor normed = rms_norm(x, layer.norm, config.layer_norm_epsilon);
    return attend(layer, x, at::linear(normed, layer.k), at::linear(normed, layer.v), bias, lists,
                  normed);
  }
  at::Tensor cross_attention(const Attention& layer, const at::Tensor& x, const at::Tensor& k,
                             const at::Tensor& v, const AttentionLists& lists) const {
    return attend(layer, x, k, v, {}, lists, rms_norm(x, layer.norm, config.layer_norm_epsilon));
  }
  // [P, P, H]: the bias between positions 0 .. P-1 of query and key.
  at::Tensor position_bias(const at::Tensor& table, int64_t num_positions,
                           bool bidirectional) const {
    return at::embedding(table, bucket_table(num_positions, num_positions, bidirectional, config))
        .view({num_positions, num_positions, config.num_heads});
  }
};

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
  impl_->parameters.declare("shared.weight", {config.text_rows, config.d_model});
  impl_->parameters.declare("id_embedding.weight", {config.id_tokens, config.d_model});
  impl_->declare_stack("encoder", config.num_layers, /*is_decoder=*/false);
  impl_->declare_stack("decoder", config.num_decoder_layers, /*is_decoder=*/true);
  impl_->parameters.declare("lm_head.id.weight", {config.id_tokens, config.d_model});
  impl_->parameters.allocate();
  impl_->bind();
}

T5Model::~T5Model() = default;
T5Model::T5Model(T5Model&&) noexcept = default;

const T5Config& T5Model::config() const {
  return impl_->config;
}
std::vector<Parameter>& T5Model::parameters() {
  return impl_->parameters.all();
}
const std::vector<Parameter>& T5Model::parameters() const {
  return impl_->parameters.all();
}
at::Tensor T5Model::flat_values() const {
  return impl_->parameters.flat_values();
}
at::Tensor T5Model::flat_grads() const {
  return impl_->parameters.flat_grads();
}
int64_t T5Model::num_decay_elements() const {
  return impl_->parameters.num_decay_elements();
}
int64_t T5Model::num_parameters() const {
  return impl_->parameters.num_parameters();
}

Parameter* T5Model::find(const std::string& name) {
  return impl_->parameters.find(name);
}

void T5Model::initialize(uint64_t seed) {
  const c10::NoGradGuard no_grad;
  const T5Config& c = impl_->config;
  const auto ends_with = [](const std::string& name, const char* suffix) {
    return name.ends_with(suffix);
  };
  for (size_t i = 0; i < impl_->parameters.all().size(); ++i) {
    Parameter& p = impl_->parameters.all()[i];
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
  const int64_t padded_length = tokens.size(1);
  const auto* length = lengths.const_data_ptr<int64_t>();
  std::vector<int64_t> rows, title, position;  // of the tokens that are no padding
  for (int64_t b = 0; b < tokens.size(0); ++b) {
    for (int64_t t = 0; t < length[b]; ++t) {
      rows.push_back(tokens.const_data_ptr<int64_t>()[b * padded_length + t]);
      title.push_back(b);
      position.push_back(t);
    }
  }
  AttentionLists lists = title_lists(title, lengths);
  lists.position = at::tensor(position, at::kLong);
  const at::Tensor bias =
      m.position_bias(m.encoder_bias, lists.keys.size(1), /*bidirectional=*/true);
  at::Tensor x = at::embedding(m.shared, at::tensor(rows, at::kLong));  // [R, d]
  for (const EncoderBlock& block : m.encoder) {
    x = m.self_attention(block.self, x, bias, lists);
    x = feed_forward(block.feed_forward, x, m.config.layer_norm_epsilon);
  }
  return rms_norm(x, m.encoder_norm, m.config.layer_norm_epsilon);
}

at::Tensor T5Model::decode_tree(const at::Tensor& encoded, const at::Tensor& lengths,
                                const TreeInputs& tree) const {
  const Impl& m = *impl_;
  const int64_t num_titles = lengths.size(0), num_nodes = tree.input.size(0),
                max_depth = tree.ancestors.size(1);
  const at::Tensor starts =
      m.shared.narrow(0, kDecoderStartRow, 1).expand({num_titles, m.config.d_model});
  at::Tensor x =
      num_nodes == num_titles
          ? starts.contiguous()
          : at::cat(
                {starts, at::embedding(m.id_embedding,
                                       tree.input.narrow(0, num_titles, num_nodes - num_titles))});
  const AttentionLists path = {
      .keys = tree.ancestors, .counts = tree.depth + 1, .position = tree.depth};
  const AttentionLists title = title_lists(copy_of(tree.title), lengths);
  const at::Tensor bias = m.position_bias(m.decoder_bias, max_depth, /*bidirectional=*/false);
  for (const DecoderBlock& block : m.decoder) {
    x = m.self_attention(block.self, x, bias, path);
    x = m.cross_attention(block.cross, x, at::linear(encoded, block.cross.k),
                          at::linear(encoded, block.cross.v), title);
    x = feed_forward(block.feed_forward, x, m.config.layer_norm_epsilon);
  }
  return rms_norm(x, m.decoder_norm, m.config.layer_norm_epsilon);
}

DecoderState T5Model::start(const at::Tensor& encoded, const at::Tensor& lengths) const {
  DecoderState state;
  state.lengths = lengths;
  for (const DecoderBlock& block : impl_->decoder) {
    state.cross_k.push_back(at::linear(encoded, block.cross.k));
    state.cross_v.push_back(at::linear(encoded, block.cross.v));
  }
  return state;
}

at::Tensor T5Model::step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                         const at::Tensor& title) const {
  const Impl& m = *impl_;
  const int64_t rows = title.size(0);
  const bool first = state.self_k.empty();
  at::Tensor x =
      first ? m.shared.narrow(0, kDecoderStartRow, 1).expand({rows, m.config.d_model}).contiguous()
            : at::embedding(m.id_embedding, inputs);

  // A row's path is its parent's path and the row that it adds to the cache.
  const int64_t cached = first ? 0 : state.self_k[0].size(0);
  const at::Tensor own = at::arange(cached, cached + rows, at::kLong).unsqueeze(1);
  state.paths = first ? own : at::cat({state.paths.index_select(0, parent), own}, 1);
  const int64_t depth = state.paths.size(1);
  const AttentionLists path = {.keys = state.paths,
                               .counts = at::full({rows}, depth, at::kLong),
                               .position = at::full({rows}, depth - 1, at::kLong)};
  const AttentionLists title_tokens = title_lists(copy_of(title), state.lengths);
  const at::Tensor bias = m.position_bias(m.decoder_bias, depth, /*bidirectional=*/false);

  for (size_t layer = 0; layer < m.decoder.size(); ++layer) {
    const DecoderBlock& block = m.decoder[layer];
    const at::Tensor normed = rms_norm(x, block.self.norm, m.config.layer_norm_epsilon);
    const at::Tensor k = at::linear(normed, block.self.k), v = at::linear(normed, block.self.v);
    if (first) {
      state.self_k.push_back(k);
      state.self_v.push_back(v);
    } else {
      state.self_k[layer] = at::cat({state.self_k[layer], k});
      state.self_v[layer] = at::cat({state.self_v[layer], v});
    }
    x = m.attend(block.self, x, state.self_k[layer], state.self_v[layer], bias, path, normed);
    x = m.cross_attention(block.cross, x, state.cross_k[layer], state.cross_v[layer], title_tokens);
    x = feed_forward(block.feed_forward, x, m.config.layer_norm_epsilon);
  }
  return rms_norm(x, m.decoder_norm, m.config.layer_norm_epsilon);
}

at::Tensor T5Model::logits(const at::Tensor& hidden, int64_t first_token,
                           int64_t num_tokens) const {
  return at::linear(hidden, impl_->id_head.narrow(0, first_token, num_tokens));
}

}  // namespace tutti::trainer
