#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/models/fused_ops.h"

// The fused operators as compositions of ATen operators: for devices and types that our loops do
// not serve, and what the loops are tested against. Same arguments and results as in fused_ops.h.
namespace tutti::trainer::plain {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                    at::ScalarType type);
at::Tensor gated_gelu(const at::Tensor& gate_up);
at::Tensor list_attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& bias,
                          const AttentionLists& lists, int64_t num_heads);

}  // namespace tutti::trainer::plain
