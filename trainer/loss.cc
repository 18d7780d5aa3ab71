#include "trainer/loss.h"

#include <ATen/ops/from_blob.h>

#include "trainer/models/head_loss.h"

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

PredictionHead head_of(const IdModel& model, checkpoints::Softmax softmax) {
  return {.ids = model.id_head(),
          .text = softmax == checkpoints::Softmax::kFull ? model.text_head() : at::Tensor()};
}

// The nodes of one depth and the columns over which they are normalised.
class Slices {
 public:
  Slices(const PackedBatch& batch, const ids::IdTable& table, const IdModel& model) {
    const int64_t text_rows = batch.softmax == checkpoints::Softmax::kFull ? model.text_rows() : 0;
    const bool over_level = batch.softmax == checkpoints::Softmax::kLevel ||
                            batch.softmax == checkpoints::Softmax::kTrie;
    columns_.resize(batch.max_depth);
    for (int64_t d = 0; d < batch.max_depth; ++d) {
      const LevelTargets& targets = batch.levels[d];
      const ids::IdLevel level = table.levels[d];
      HeadSlice slice = {.first_row = batch.depth_begin[d],
                         .num_rows = batch.depth_begin[d + 1] - batch.depth_begin[d],
                         .first_column = level.first_token,
                         .num_columns = level.num_tokens,
                         .row = targets.row,
                         .column = targets.column,
                         .weight = targets.weight,
                         .child_row = targets.child_row,
                         .child_column = targets.child_column};
      if (!over_level) {
        slice.first_column = 0;
        slice.num_columns = text_rows + model.id_tokens();
        columns_[d] = targets.column;
        for (int64_t& column : columns_[d]) column += text_rows + level.first_token;
        slice.column = columns_[d];
      }
      slices_.push_back(slice);
    }
  }

  std::span<const HeadSlice> all() const { return slices_; }

 private:
  std::vector<HeadSlice> slices_;
  std::vector<std::vector<int64_t>> columns_;  // by level: targets counted from the first column
};

}  // namespace

at::Tensor packed_loss(const IdModel& model, const PackedBatch& batch, const ids::IdTable& table,
                       std::vector<double>* by_level, const Dropout& dropout) {
  const StepDropout step = {.dropout = dropout, .title_keys = batch.title_keys};
  const TitleInputs titles = {
      .tokens = as_tensor(batch.title_tokens, {batch.num_titles, batch.title_length}),
      .lengths = as_tensor(batch.title_lengths, {batch.num_titles})};
  const at::Tensor hidden = model.tree_hidden(titles, tree_of(batch), step);
  const Slices slices(batch, table, model);
  return head_loss(hidden, head_of(model, batch.softmax), slices.all(), by_level);
}

}  // namespace tutti::trainer
