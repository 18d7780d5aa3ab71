// The decoder over the nodes of prefix trees (training) and over beams, one position at a time
// (inference). Both are the same layers; they differ in what a row attends to.
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>

#include "trainer/models/t5_layers.h"

namespace tutti::trainer {
namespace {

std::vector<int64_t> copy_of(const at::Tensor& t) {
  return {t.const_data_ptr<int64_t>(), t.const_data_ptr<int64_t>() + t.numel()};
}

// [rows, d_model]
at::Tensor start_rows(const T5Weights& m, int64_t rows) {
  return m.shared.narrow(0, kDecoderStartRow, 1).expand({rows, m.config.d_model});
}

// The hidden state as the head reads it.
at::Tensor finish(const T5Weights& m, const at::Tensor& x) {
  const at::Tensor hidden = rms_norm(x, m.decoder_norm, m.config.layer_norm_epsilon);
  return m.config.scale_decoder_outputs
             ? hidden * std::pow(static_cast<double>(m.config.d_model), -0.5)
             : hidden;
}

}  // namespace

at::Tensor T5Model::decode_tree(const at::Tensor& encoded, const at::Tensor& lengths,
                                const TreeInputs& tree) const {
  const T5Weights& m = *weights_;
  const int64_t num_titles = lengths.size(0), num_nodes = tree.input.size(0),
                max_depth = tree.ancestors.size(1);
  const at::Tensor starts = start_rows(m, num_titles);
  at::Tensor x =
      num_nodes == num_titles
          ? starts.contiguous()
          : at::cat(
                {starts, at::embedding(m.id_embedding,
                                       tree.input.narrow(0, num_titles, num_nodes - num_titles))});
  const AttentionLists path = {
      .keys = tree.ancestors, .counts = tree.depth + 1, .position = tree.depth};
  const AttentionLists title = title_lists(copy_of(tree.title), lengths);
  const at::Tensor bias =
      position_bias(m.config, m.decoder_bias, max_depth, /*bidirectional=*/false);
  for (const DecoderBlock& block : m.decoder) {
    x = self_attention(m.config, block.self, x, bias, path);
    x = cross_attention(m.config, block.cross, x, at::linear(encoded, block.cross.k),
                        at::linear(encoded, block.cross.v), title);
    x = feed_forward(m.config, block.feed_forward, x);
  }
  return finish(m, x);
}

DecoderState T5Model::start(const at::Tensor& encoded, const at::Tensor& lengths) const {
  DecoderState state;
  state.lengths = lengths;
  for (const DecoderBlock& block : weights_->decoder) {
    state.cross_k.push_back(at::linear(encoded, block.cross.k));
    state.cross_v.push_back(at::linear(encoded, block.cross.v));
  }
  return state;
}

at::Tensor T5Model::step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                         const at::Tensor& title) const {
  const T5Weights& m = *weights_;
  const int64_t rows = title.size(0);
  const bool first = state.self_k.empty();
  at::Tensor x = first ? start_rows(m, rows).contiguous() : at::embedding(m.id_embedding, inputs);

  // A row's path is its parent's path and the row that it adds to the cache.
  const int64_t cached = first ? 0 : state.self_k[0].size(0);
  const at::Tensor own = at::arange(cached, cached + rows, at::kLong).unsqueeze(1);
  state.paths = first ? own : at::cat({state.paths.index_select(0, parent), own}, 1);
  const int64_t depth = state.paths.size(1);
  const AttentionLists path = {.keys = state.paths,
                               .counts = at::full({rows}, depth, at::kLong),
                               .position = at::full({rows}, depth - 1, at::kLong)};
  const AttentionLists title_tokens = title_lists(copy_of(title), state.lengths);
  const at::Tensor bias = position_bias(m.config, m.decoder_bias, depth, /*bidirectional=*/false);

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
    x = attend(m.config, block.self, x, normed, state.self_k[layer], state.self_v[layer], bias,
               path);
    x = cross_attention(m.config, block.cross, x, state.cross_k[layer], state.cross_v[layer],
                        title_tokens);
    x = feed_forward(m.config, block.feed_forward, x);
  }
  return finish(m, x);
}

}  // namespace tutti::trainer
