#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/models/dropout.h"
#include "trainer/models/fused_ops.h"
#include "trainer/models/t5_weights.h"
#include "trainer/models/title_rows.h"

// The layers of T5 as HF names them, over rows: a row is a title token, a node of a prefix tree or
// a beam. What it attends to is in the lists.
namespace tutti::trainer {

constexpr int64_t kDecoderStartRow = 0;  // T5 starts the decoder with the pad token

// What a LayerDropout points to, for layers that are computed again in the backward pass.
struct DrawnDropout {
  Dropout dropout;
  std::vector<uint64_t> keys;
};

// x + SelfAttention(norm(x)): x [Q, d_model].
at::Tensor self_attention(const T5Config& config, const SelfAttention& layer, const at::Tensor& x,
                          const at::Tensor& bias, const AttentionLists& lists,
                          const LayerDropout& dropout = {});
// The same in inference, where a row also attends to rows of earlier steps. `kv` [R, 2 * H * d_kv]
// holds their keys and values (undefined: none so far); those of x are appended.
at::Tensor cached_self_attention(const T5Config& config, const SelfAttention& layer,
                                 const at::Tensor& x, at::Tensor& kv, const at::Tensor& bias,
                                 const AttentionLists& lists);
// x + EncDecAttention(norm(x), title): kv [R, 2 * H * d_kv] of the title tokens.
at::Tensor cross_attention(const T5Config& config, const CrossAttention& layer, const at::Tensor& x,
                           const at::Tensor& kv, const AttentionLists& lists,
                           const LayerDropout& dropout = {});
// x + DenseReluDense(norm(x))
at::Tensor feed_forward(const T5Config& config, const FeedForward& layer, const at::Tensor& x,
                        const LayerDropout& dropout = {});

// [P, P, H]: the bias between positions 0 .. P-1 of query and key, from the table [buckets, H] of
// the stack's first block.
at::Tensor position_bias(const T5Config& config, const at::Tensor& table, int64_t num_positions,
                         bool bidirectional);

}  // namespace tutti::trainer
