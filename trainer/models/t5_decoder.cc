// The decoder over the nodes of prefix trees (training) and over beams, one position at a time
// (inference). Both are the same layers; they differ in what a row attends to.
#include <cmath>
#include <memory>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include "trainer/models/checkpointed.h"
#include "trainer/models/linear.h"
#include "trainer/models/t5_layers.h"

namespace tutti::trainer {
namespace {

std::vector<int64_t> copy_of(const at::Tensor& t) {
  return {t.const_data_ptr<int64_t>(), t.const_data_ptr<int64_t>() + t.numel()};
}

// [rows, d_model]
at::Tensor start_rows(const T5Weights& m, int64_t rows) {
  return gather_rows(m.shared, at::full({rows}, kDecoderStartRow, at::kLong));
}

// What the cross-attention of each layer reads: [R, 2 * inner], keys in front of values.
std::vector<at::Tensor> cross_kv_of(const T5Weights& m, const at::Tensor& encoded) {
  return linear(encoded, m.cross_kv).chunk(m.config.num_decoder_layers, 1);
}

// The keys of all nodes: a title's, and along the path from its start node.
std::vector<uint64_t> keys_of(const TreeInputs& tree, const StepDropout& step) {
  std::vector<uint64_t> keys;
  if (!step.dropout.is_on()) return keys;
  const auto *token = tree.input.const_data_ptr<int64_t>(),
             *path = tree.ancestors.const_data_ptr<int64_t>(),
             *depth = tree.depth.const_data_ptr<int64_t>(),
             *title = tree.title.const_data_ptr<int64_t>();
  const int64_t max_depth = tree.ancestors.size(1);
  for (int64_t i = 0; i < tree.input.size(0); ++i) {
    keys.push_back(depth[i] == 0 ? step.title_keys[title[i]]
                                 : row_key(keys[path[i * max_depth + depth[i] - 1]], token[i]));
  }
  return keys;
}

// The hidden state as the head reads it.
at::Tensor finish(const T5Weights& m, const at::Tensor& x, const LayerDropout& dropout = {}) {
  const at::Tensor hidden = dropout.apply(LayerDropout::Place::kOutput,
                                          rms_norm(x, m.decoder_norm, m.config.layer_norm_epsilon));
  return m.config.scale_decoder_outputs
             ? hidden * std::pow(static_cast<double>(m.config.d_model), -0.5)
             : hidden;
}

}  // namespace

at::Tensor T5Model::decode_tree(const at::Tensor& encoded, const at::Tensor& lengths,
                                const TreeInputs& tree, const StepDropout& step) const {
  const T5Weights& m = *weights_;
  const int64_t num_titles = lengths.size(0), num_nodes = tree.input.size(0),
                max_depth = tree.ancestors.size(1);
  const at::Tensor starts = start_rows(m, num_titles);
  at::Tensor x =
      num_nodes == num_titles
          ? starts
          : at::cat(
                {starts, gather_rows(m.id_embedding,
                                     tree.input.narrow(0, num_titles, num_nodes - num_titles))});
  const auto drawn =
      std::make_shared<const DrawnDropout>(DrawnDropout{step.dropout, keys_of(tree, step)});
  const LayerDropout dropout(drawn->dropout, drawn->keys, /*stack=*/1);
  x = dropout.apply(LayerDropout::Place::kInput, x);
  const AttentionLists path = on_device(
      {.keys = tree.ancestors, .counts = tree.depth + 1, .position = tree.depth, .dropout = {}},
      m.device());
  const AttentionLists title = on_device(title_lists(copy_of(tree.title), lengths), m.device());
  const at::Tensor bias = position_bias(m.config, m.decoder_bias, max_depth,
                                        /*bidirectional=*/false);
  const std::vector<at::Tensor> cross_kv = cross_kv_of(m, encoded);
  for (size_t layer = 0; layer < m.decoder.size(); ++layer) {
    const DecoderBlock& block = m.decoder[layer];
    const auto layers = [&m, &block, path, title, drawn,
                         drop = dropout.in_layer(layer)](const std::vector<at::Tensor>& in) {
      at::Tensor y = self_attention(m.config, block.self, in[0], in[1], path, drop);
      y = cross_attention(m.config, block.cross, y, in[2], title, drop);
      return feed_forward(m.config, block.feed_forward, y, drop);
    };
    const std::vector<at::Tensor> inputs = {x, bias, cross_kv[layer]};
    x = m.compute.checkpoint_activations ? checkpointed(layers, inputs) : layers(inputs);
  }
  return finish(m, x, dropout);
}

DecoderState T5Model::start(const at::Tensor& encoded, const at::Tensor& lengths) const {
  DecoderState state;
  state.lengths = lengths;
  state.cross_kv = cross_kv_of(*weights_, encoded);
  state.self_kv.resize(weights_->decoder.size());
  return state;
}

at::Tensor T5Model::step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                         const at::Tensor& title) const {
  const T5Weights& m = *weights_;
  const int64_t rows = title.size(0);
  const bool first = !state.paths.defined();
  at::Tensor x = first ? start_rows(m, rows) : gather_known_rows(m.id_embedding, inputs);

  // A row's path is its parent's path and the row that it adds to the cache.
  const int64_t cached = first ? 0 : state.self_kv[0].size(0);
  const at::Tensor own = at::arange(cached, cached + rows, at::kLong).unsqueeze(1);
  state.paths = first ? own : at::cat({state.paths.index_select(0, parent), own}, 1);
  const int64_t depth = state.paths.size(1);
  const AttentionLists path = on_device({.keys = state.paths,
                                         .counts = at::full({rows}, depth, at::kLong),
                                         .position = at::full({rows}, depth - 1, at::kLong),
                                         .dropout = {}},
                                        m.device());
  const AttentionLists title_tokens =
      on_device(title_lists(copy_of(title), state.lengths), m.device());
  const at::Tensor bias = position_bias(m.config, m.decoder_bias, depth, /*bidirectional=*/false);

  for (size_t layer = 0; layer < m.decoder.size(); ++layer) {
    const DecoderBlock& block = m.decoder[layer];
    x = cached_self_attention(m.config, block.self, x, state.self_kv[layer], bias, path);
    x = cross_attention(m.config, block.cross, x, state.cross_kv[layer], title_tokens);
    x = feed_forward(m.config, block.feed_forward, x);
  }
  return finish(m, x);
}

}  // namespace tutti::trainer
