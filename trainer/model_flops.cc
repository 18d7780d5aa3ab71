#include "trainer/model_flops.h"

namespace tutti::trainer {
namespace {

bool is_trained(const T5Model& model, const std::string& prefix) {
  for (const Parameter& p : model.parameters()) {
    if (p.name.starts_with(prefix) && p.value.requires_grad()) return true;
  }
  return false;
}

}  // namespace

ModelFlops::ModelFlops(const T5Model& model, const ids::IdTable& table)
    : table_(table), config_(model.config()) {
  const auto d = static_cast<double>(config_.d_model);
  const auto inner = static_cast<double>(config_.inner_dim());
  const double feed_forward = (config_.feed_forward == FeedForwardForm::kGatedGelu ? 3.0 : 2.0) *
                              d * static_cast<double>(config_.d_ff);
  const auto encoder_layers = static_cast<double>(config_.num_layers);
  const auto decoder_layers = static_cast<double>(config_.num_decoder_layers);
  // Each product runs forward once; backward once for its input where something trained lies below
  // it, and once for its weights where they are trained. ID rows always are.
  const double encoder = is_trained(model, "encoder.") ? 1 : 0;
  const double decoder = is_trained(model, "decoder.") ? 1 : 0;
  title_token_ =
      2 * encoder_layers * (4 * d * inner + feed_forward) * (1 + 2 * encoder) +
      2 * decoder_layers * 2 * d * inner * (1 + decoder + encoder);  // cross-attention K and V
  node_ = 2 * decoder_layers * (6 * d * inner + feed_forward) * (2 + decoder);
  column_ = 2 * d * 3;
  encoder_attention_ = 4 * encoder_layers * inner * (1 + 2 * encoder);
  decoder_attention_ = 4 * decoder_layers * inner * 3;
}

double ModelFlops::columns(int64_t depth, checkpoints::Softmax softmax) const {
  switch (softmax) {
    case checkpoints::Softmax::kLevel:
    case checkpoints::Softmax::kTrie:
      return table_.levels[depth].num_tokens;
    case checkpoints::Softmax::kIds:
      return static_cast<double>(config_.id_tokens);
    case checkpoints::Softmax::kFull:
      return static_cast<double>(config_.vocab_size());
  }
  return 0;
}

double ModelFlops::of(const PackedBatch& batch) const {
  double flops = 0;
  for (const int64_t length : batch.title_lengths) {
    const auto s = static_cast<double>(length);
    flops += s * title_token_ + s * s * encoder_attention_;
  }
  flops += static_cast<double>(batch.num_nodes()) * node_;
  int64_t pairs = 0;  // of a node with its path and with its title's tokens
  for (int64_t node = 0; node < batch.num_nodes(); ++node)
    pairs += batch.depth[node] + 1 + batch.title_lengths[batch.title[node]];
  flops += static_cast<double>(pairs) * decoder_attention_;
  for (int64_t d = 0; d < batch.max_depth; ++d) {
    const auto nodes = static_cast<double>(batch.depth_begin[d + 1] - batch.depth_begin[d]);
    const auto children = static_cast<double>(batch.levels[d].child_row.size());
    flops += column_ * (children > 0 ? children : nodes * columns(d, batch.softmax));
  }
  return flops;
}

double ModelFlops::mean_node(checkpoints::Softmax softmax) const {
  double sum = 0;
  for (int64_t d = 0; d < table_.id_length(); ++d) {
    if (!checkpoints::is_over_children(softmax, d + 1 == table_.id_length()))
      sum += columns(d, softmax);
  }
  return node_ + column_ * sum / static_cast<double>(table_.id_length());
}

}  // namespace tutti::trainer
