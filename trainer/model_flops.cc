#include "trainer/model_flops.h"

namespace tutti::trainer {

ModelFlops::ModelFlops(const IdModel& model, const ids::IdTable& table)
    : table_(table),
      units_(model.unit_flops()),
      id_tokens_(model.id_tokens()),
      text_rows_(model.text_rows()) {}

double ModelFlops::columns(int64_t depth, checkpoints::Softmax softmax) const {
  switch (softmax) {
    case checkpoints::Softmax::kLevel:
    case checkpoints::Softmax::kTrie:
      return table_.levels[depth].num_tokens;
    case checkpoints::Softmax::kIds:
      return static_cast<double>(id_tokens_);
    case checkpoints::Softmax::kFull:
      return static_cast<double>(text_rows_ + id_tokens_);
  }
  return 0;
}

double ModelFlops::of(const PackedBatch& batch) const {
  double flops = 0;
  for (const int64_t length : batch.title_lengths) {
    const auto s = static_cast<double>(length);
    flops += s * units_.title_token + s * s * units_.title_pair;
  }
  flops += static_cast<double>(batch.num_nodes()) * units_.node;
  int64_t pairs = 0;  // of a node with its path and with its title's tokens
  for (int64_t node = 0; node < batch.num_nodes(); ++node)
    pairs += batch.depth[node] + 1 + batch.title_lengths[batch.title[node]];
  flops += static_cast<double>(pairs) * units_.node_pair;
  for (int64_t d = 0; d < batch.max_depth; ++d) {
    const auto nodes = static_cast<double>(batch.depth_begin[d + 1] - batch.depth_begin[d]);
    const auto children = static_cast<double>(batch.levels[d].child_row.size());
    flops += units_.column * (children > 0 ? children : nodes * columns(d, batch.softmax));
  }
  return flops;
}

double ModelFlops::mean_node(checkpoints::Softmax softmax) const {
  double sum = 0;
  for (int64_t d = 0; d < table_.id_length(); ++d) {
    if (!checkpoints::is_over_children(softmax, d + 1 == table_.id_length()))
      sum += columns(d, softmax);
  }
  return units_.node + units_.column * sum / static_cast<double>(table_.id_length());
}

}  // namespace tutti::trainer
