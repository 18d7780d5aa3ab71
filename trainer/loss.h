#pragma once

#include <ATen/core/Tensor.h>

#include "ids/id_table.h"
#include "trainer/models/t5.h"
#include "trainer/packing.h"

namespace tutti::trainer {

// The weighted sum over all (title, track) pairs of -log p(ID | title), a scalar to be divided by
// the step's global weight. Each token is normalised over the rows of its level, the last one over
// the children that exist at its node. The sum is the same number as the one over separate pairs: a
// node's cross-entropy is taken against the summed weights of its children. `batch` must not be
// empty.
at::Tensor packed_loss(const T5Model& model, const PackedBatch& batch, const ids::IdTable& table);

}  // namespace tutti::trainer
