#include "trainer/models/t5_layers.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

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

}  // namespace

at::Tensor attend(const T5Config& config, const Attention& layer, const at::Tensor& x,
                  const at::Tensor& normed, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& bias, const AttentionLists& lists) {
  const at::Tensor mixed =
      list_attention(at::linear(normed, layer.q), k, v, bias, lists, config.num_heads);
  return x + at::linear(mixed, layer.o);
}

at::Tensor self_attention(const T5Config& config, const Attention& layer, const at::Tensor& x,
                          const at::Tensor& bias, const AttentionLists& lists) {
  const at::Tensor normed = rms_norm(x, layer.norm, config.layer_norm_epsilon);
  return attend(config, layer, x, normed, at::linear(normed, layer.k), at::linear(normed, layer.v),
                bias, lists);
}

at::Tensor cross_attention(const T5Config& config, const Attention& layer, const at::Tensor& x,
                           const at::Tensor& k, const at::Tensor& v, const AttentionLists& lists) {
  return attend(config, layer, x, rms_norm(x, layer.norm, config.layer_norm_epsilon), k, v, {},
                lists);
}

at::Tensor feed_forward(const T5Config& config, const FeedForward& layer, const at::Tensor& x) {
  const at::Tensor normed = rms_norm(x, layer.norm, config.layer_norm_epsilon);
  const at::Tensor in = at::linear(normed, layer.wi_0);
  const at::Tensor inner = config.feed_forward == FeedForwardForm::kRelu
                               ? at::relu(in)
                               : gated_gelu(in, at::linear(normed, layer.wi_1));
  return x + at::linear(inner, layer.wo);
}

at::Tensor position_bias(const T5Config& config, const at::Tensor& table, int64_t num_positions,
                         bool bidirectional) {
  return at::embedding(table, bucket_table(num_positions, bidirectional, config))
      .view({num_positions, num_positions, config.num_heads});
}

AttentionLists title_lists(const std::vector<int64_t>& title, const at::Tensor& lengths) {
  const int64_t num_titles = lengths.size(0);
  const auto* length = lengths.const_data_ptr<int64_t>();
  std::vector<int64_t> first_row(num_titles + 1, 0);
  for (int64_t b = 0; b < num_titles; ++b) first_row[b + 1] = first_row[b] + length[b];
  const int64_t longest = *std::max_element(length, length + num_titles),
                queries = std::ssize(title);
  AttentionLists lists = {.keys = at::zeros({queries, longest}, at::kLong),
                          .counts = at::zeros({queries}, at::kLong),
                          .position = {}};
  auto *keys = lists.keys.mutable_data_ptr<int64_t>(),
       *counts = lists.counts.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < queries; ++i) {
    counts[i] = length[title[i]];
    for (int64_t t = 0; t < counts[i]; ++t) keys[i * longest + t] = first_row[title[i]] + t;
  }
  return lists;
}

}  // namespace tutti::trainer
