#pragma once

#include <cstdint>

#include "ids/id_table.h"
#include "trainer/models/id_model.h"
#include "trainer/packing.h"

namespace tutti::trainer {

// The arithmetic that a training step needs, in floating-point operations, a multiply-add counting
// two: matrix products and attention, forward and backward (as far as frozen parts leave one). What
// an implementation computes beyond that (padding, recomputation, masked columns) does not count,
// nor do norms, activations, the optimizer, and the first reading of a title by a frozen encoder.
class ModelFlops {
 public:
  ModelFlops(const IdModel& model, const ids::IdTable& table);

  double of(const PackedBatch& batch) const;

  // Parts of it, to share out titles: of a title token, and of a decoder node with a mean head.
  double title_token() const { return units_.title_token; }
  double mean_node(checkpoints::Softmax softmax) const;

 private:
  // Columns that a node of this depth is normalised over, children counted apart.
  double columns(int64_t depth, checkpoints::Softmax softmax) const;

  const ids::IdTable& table_;
  UnitFlops units_;
  int64_t id_tokens_, text_rows_;
};

}  // namespace tutti::trainer
