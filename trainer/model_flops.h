#pragma once

#include "ids/id_table.h"
#include "trainer/models/t5.h"
#include "trainer/packing.h"

namespace tutti::trainer {

// The arithmetic that a training step needs, in floating-point operations, a multiply-add counting
// two: matrix products and attention, forward and backward (as far as frozen parts leave one). What
// an implementation computes beyond that (padding, recomputation, masked columns) does not count,
// nor do norms, activations and the optimizer.
class ModelFlops {
 public:
  ModelFlops(const T5Model& model, const ids::IdTable& table);

  double of(const PackedBatch& batch) const;

  // Parts of it, to share out titles: of a title token, and of a decoder node with a mean head.
  double title_token() const { return title_token_; }
  double mean_node(checkpoints::Softmax softmax) const;

 private:
  // Columns that a node of this depth is normalised over, children counted apart.
  double columns(int64_t depth, checkpoints::Softmax softmax) const;

  const ids::IdTable& table_;
  T5Config config_;
  double title_token_, node_, column_;            // linear layers
  double encoder_attention_, decoder_attention_;  // a pair of positions
};

}  // namespace tutti::trainer
