#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/decode/beam_search.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

// Reads titles, already in tokens, in one padded batch: what a search starts from.
DecoderState start_titles(const IdModel& model,
                          std::span<const std::vector<int32_t>* const> titles);

// The rows of beam search as a model sees them. The model must outlive it.
class ModelScorer : public IdScorer {
 public:
  ModelScorer(const IdModel& model, DecoderState state);
  std::span<const float> step(std::span<const Row> rows, const ids::IdLevel& level,
                              Softmax over) override;

 private:
  // [rows, level.num_tokens]
  at::Tensor scores_of(const at::Tensor& hidden, const ids::IdLevel& level, Softmax over) const;

  const IdModel& model_;
  DecoderState state_;
  at::Tensor scores_;
};

}  // namespace tutti::trainer
