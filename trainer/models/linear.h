#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/models/parameters.h"

namespace tutti::trainer {

// Linear layers without bias. In the backward pass the weight's gradient is added straight into the
// flat gradient buffer, in the product itself: no buffer of its own and no pass to accumulate it.
// (The weight's parameters are inputs of the graph's node all the same, so that hooks behind their
// accumulators run when all their layers have.)
//
// A weight with adapters acts with them (adapters.h); it is frozen, they are not.
//
// Products read weight.compute: with bf16 weights `x` is rounded to bf16, the result is bf16.

// x W^T: x [R, in] -> [R, out].
at::Tensor linear(const at::Tensor& x, const Weight& weight);

// residual + x W^T, fp32: the sum costs no pass of its own. residual [R, out] fp32.
at::Tensor linear_residual(const at::Tensor& residual, const at::Tensor& x, const Weight& weight);

// The rows `index` [R] int64 (host) of a table: [R, width] fp32. Gradients of its rows are added
// straight into its gradient, flat or of rows, touching these rows only.
at::Tensor gather_rows(const Weight& table, const at::Tensor& index);
// Without a gradient; what lies behind the table's rows reads as zeros.
at::Tensor gather_known_rows(const Weight& table, const at::Tensor& index);

}  // namespace tutti::trainer
