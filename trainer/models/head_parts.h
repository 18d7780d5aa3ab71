#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/models/head_loss.h"

namespace tutti::trainer {

// Where the derivatives of a head's loss are added; undefined where nobody asks.
struct HeadGradients {
  at::Tensor hidden, ids, text;
};

// The columns of a slice that lie in one of the two matrices of a head.
struct HeadPart {
  at::Tensor rows, gradient;  // of the matrix; the latter may be undefined
  int64_t first_column;       // in the slice
};
std::vector<HeadPart> parts_of(const HeadSlice& slice, const PredictionHead& head,
                               const HeadGradients& gradients);

}  // namespace tutti::trainer
