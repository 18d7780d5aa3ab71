#include "trainer/loss.h"

#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "trainer/models/fused_ops.h"

namespace tutti::trainer {
namespace {

// A tensor over the vector's own memory, which must outlive the backward pass.
at::Tensor as_tensor(const std::vector<int64_t>& v, at::IntArrayRef shape) {
  return at::from_blob(const_cast<int64_t*>(v.data()), shape, at::kLong);
}

TreeInputs tree_of(const PackedBatch& batch) {
  const int64_t num_nodes = batch.num_nodes();
  return {.input = as_tensor(batch.input, {num_nodes}),
          .title = as_tensor(batch.title, {num_nodes}),
          .ancestors = as_tensor(batch.ancestors, {num_nodes, batch.max_depth}),
          .depth = as_tensor(batch.depth, {num_nodes})};
}

// 0 at the children that exist, -inf elsewhere: [rows, num_tokens].
at::Tensor children_bias(const LevelTargets& targets, int64_t rows, int64_t num_tokens) {
  at::Tensor bias =
      at::full({rows, num_tokens}, -std::numeric_limits<float>::infinity(), at::kFloat);
  float* out = bias.mutable_data_ptr<float>();
  for (size_t i = 0; i < targets.child_row.size(); ++i) {
    out[targets.child_row[i] * num_tokens + targets.child_column[i]] = 0.0F;
  }
  return bias;
}

}  // namespace

at::Tensor packed_loss(const T5Model& model, const PackedBatch& batch, const ids::IdTable& table) {
  const TreeInputs tree = tree_of(batch);
  const at::Tensor lengths = as_tensor(batch.title_lengths, {batch.num_titles});
  const at::Tensor encoded =
      model.encode(as_tensor(batch.title_tokens, {batch.num_titles, batch.title_length}), lengths);
  const at::Tensor hidden = model.decode_tree(encoded, lengths, tree);

  at::Tensor loss = at::zeros({}, hidden.options());
  for (int64_t d = 0; d < batch.max_depth; ++d) {
    const LevelTargets& targets = batch.levels[d];
    const int64_t rows = batch.depth_begin[d + 1] - batch.depth_begin[d];
    const ids::IdLevel level = table.levels[d];
    at::Tensor logits = model.logits(hidden.narrow(0, batch.depth_begin[d], rows),
                                     level.first_token, level.num_tokens);
    if (!targets.child_row.empty())
      logits = logits + children_bias(targets, rows, level.num_tokens);

    const int64_t num_targets = std::ssize(targets.row);
    loss = loss + weighted_cross_entropy(
                      logits, {.row = as_tensor(targets.row, {num_targets}),
                               .column = as_tensor(targets.column, {num_targets}),
                               .weight = at::from_blob(const_cast<float*>(targets.weight.data()),
                                                       {num_targets}, at::kFloat)});
  }
  return loss;
}

}  // namespace tutti::trainer
