#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/adamw_kernel.h"
#include "trainer/models/fused_ops.h"
#include "trainer/models/head_parts.h"

// The fused operators as compositions of ATen operators: for devices and types that our loops do
// not serve, and what the loops are tested against. Same arguments and results as in fused_ops.h.
namespace tutti::trainer::plain {

// While one lives, the CPU runs what a CUDA device runs: how machines without one test it. Not
// while a step is under way.
class Forced {
 public:
  Forced();
  ~Forced();
  Forced(const Forced&) = delete;
  Forced& operator=(const Forced&) = delete;
  static bool is_on();
};

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                    at::ScalarType type);
at::Tensor gated_gelu(const at::Tensor& gate_up);
at::Tensor gated_silu(const at::Tensor& gate_up);
at::Tensor turned_heads(const at::Tensor& qkv, const Rotation& rotation, int64_t num_heads,
                        int64_t num_key_heads, double query_scale);
at::Tensor list_attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& bias,
                          const AttentionLists& lists, int64_t num_heads);

// The loss of each slice, [slices], with the gradients of the sum added to those of `into` that are
// defined; see head_loss.h.
at::Tensor head_losses(const at::Tensor& hidden, const PredictionHead& head,
                       std::span<const HeadSlice> slices, const HeadGradients& into);

// AdamW over flat tensors, as adamw_update(): `rounded` may be undefined.
void adamw_update(const AdamWFactors& factors, at::Tensor values, at::Tensor grads,
                  at::Tensor moment1, at::Tensor moment2, at::Tensor rounded);

}  // namespace tutti::trainer::plain
