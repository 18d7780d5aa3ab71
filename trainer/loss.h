#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "ids/id_table.h"
#include "trainer/models/id_model.h"
#include "trainer/packing.h"

namespace tutti::trainer {

// The weighted sum over all (title, track) pairs of -log p(ID | title), a scalar to be divided by
// the step's global weight. Each token is normalised as the softmax says that `batch` was packed
// for; Softmax::kFull needs a model with a head for text. The sum is the same number as the one
// over separate pairs: a node's cross-entropy is taken against the summed weights of its children.
// `batch` must not be empty. `by_level`, unless null, takes the part of each level (as many as the
// batch has).
at::Tensor packed_loss(const IdModel& model, const PackedBatch& batch, const ids::IdTable& table,
                       std::vector<double>* by_level = nullptr, const Dropout& dropout = {});

}  // namespace tutti::trainer
