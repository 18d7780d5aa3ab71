#include "trainer/models/t5_layers.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

#include "trainer/models/linear.h"

namespace tutti::trainer {
namespace {

// T5's bucket of a relative position (key minus query): half of the buckets are exact, the others
// logarithmic up to max_distance, the last one open. Bidirectional attention keeps half of the
// buckets for keys to the right.
int64_t relative_bucket(int64_t relative, bool bidirectional, int64_t num_buckets,
                        int64_t max_distance) {
  int64_t bucket = 0;
  if (bidirectional) {
    num_buckets /= 2;
    if (relative > 0) bucket += num_buckets;
    relative = std::abs(relative);
  } else {
    relative = std::max<int64_t>(-relative, 0);
  }
  const int64_t max_exact = num_buckets / 2;
  if (relative < max_exact) return bucket + relative;
  // In float, as the original: the borders between buckets depend on the rounding.
  const float position =
      std::log(static_cast<float>(relative) / static_cast<float>(max_exact)) /
      static_cast<float>(std::log(static_cast<double>(max_distance) / max_exact)) *
      static_cast<float>(num_buckets - max_exact);
  return bucket + std::min(max_exact + static_cast<int64_t>(position), num_buckets - 1);
}

// [n * n] buckets as an int64 tensor, for positions 0 .. n-1 of query (slow) and key (fast).
at::Tensor bucket_table(int64_t n, bool bidirectional, const T5Config& config) {
  at::Tensor table = at::zeros({n * n}, at::kLong);
  int64_t* out = table.mutable_data_ptr<int64_t>();
  for (int64_t q = 0; q < n; ++q) {
    for (int64_t k = 0; k < n; ++k) {
      out[q * n + k] = relative_bucket(k - q, bidirectional, config.relative_attention_num_buckets,
                                       config.relative_attention_max_distance);
    }
  }
  return table;
}

// norm(x) in the type that the products behind it read, and x for the residual connection.
NormedResidual normed_input(const T5Config& config, const at::Tensor& norm, const Weight& next,
                            const at::Tensor& x) {
  return rms_norm_residual(x, norm, config.layer_norm_epsilon, next.compute.scalar_type());
}

using Place = LayerDropout::Place;

// residual + dropout(x W^T)
at::Tensor add_branch(const at::Tensor& residual, const at::Tensor& x, const Weight& weight,
                      const LayerDropout& dropout, Place place) {
  return dropout.is_on() ? dropout.add(place, residual, linear(x, weight))
                         : linear_residual(residual, x, weight);
}

AttentionLists with_dropout(AttentionLists lists, const T5Config& config,
                            const LayerDropout& dropout, Place place) {
  lists.dropout = dropout.attention_factors(place, config.num_heads, lists.keys.size(1));
  if (lists.dropout.defined()) lists.dropout = lists.dropout.to(lists.keys.device());
  return lists;
}

}  // namespace

at::Tensor self_attention(const T5Config& config, const SelfAttention& layer, const at::Tensor& x,
                          const at::Tensor& bias, const AttentionLists& lists,
                          const LayerDropout& dropout) {
  const auto [normed, residual] = normed_input(config, layer.norm, layer.qkv, x);
  const at::Tensor mixed = list_self_attention(
      linear(normed, layer.qkv), bias,
      with_dropout(lists, config, dropout, Place::kSelfProbability), config.num_heads);
  return add_branch(residual, mixed, layer.o, dropout, Place::kSelfAttention);
}

at::Tensor cached_self_attention(const T5Config& config, const SelfAttention& layer,
                                 const at::Tensor& x, at::Tensor& kv, const at::Tensor& bias,
                                 const AttentionLists& lists) {
  const int64_t width = config.inner_dim();
  const auto [normed, residual] = normed_input(config, layer.norm, layer.qkv, x);
  const at::Tensor qkv = linear(normed, layer.qkv), own = qkv.narrow(1, width, 2 * width);
  kv = kv.defined() ? at::cat({kv, own}) : own.contiguous();
  const at::Tensor mixed =
      list_attention(qkv.narrow(1, 0, width), kv, bias, lists, config.num_heads);
  return linear_residual(residual, mixed, layer.o);
}

at::Tensor cross_attention(const T5Config& config, const CrossAttention& layer, const at::Tensor& x,
                           const at::Tensor& kv, const AttentionLists& lists,
                           const LayerDropout& dropout) {
  const auto [normed, residual] = normed_input(config, layer.norm, layer.q, x);
  const at::Tensor mixed = list_attention(
      linear(normed, layer.q), kv, {},
      with_dropout(lists, config, dropout, Place::kCrossProbability), config.num_heads);
  return add_branch(residual, mixed, layer.o, dropout, Place::kCrossAttention);
}

at::Tensor feed_forward(const T5Config& config, const FeedForward& layer, const at::Tensor& x,
                        const LayerDropout& dropout) {
  const auto [normed, residual] = normed_input(config, layer.norm, layer.wi, x);
  const at::Tensor in = linear(normed, layer.wi);
  const at::Tensor inner =
      config.feed_forward == FeedForwardForm::kRelu ? at::relu(in) : gated_gelu(in);
  return add_branch(residual, dropout.apply(Place::kInner, inner), layer.wo, dropout,
                    Place::kFeedForward);
}

at::Tensor position_bias(const T5Config& config, const at::Tensor& table, int64_t num_positions,
                         bool bidirectional) {
  return at::embedding(table, bucket_table(num_positions, bidirectional, config).to(table.device()))
      .view({num_positions, num_positions, config.num_heads});
}

}  // namespace tutti::trainer
