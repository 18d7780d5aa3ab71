// Attention over listed keys, as operators with derivatives; attention_heads.h has the arithmetic.
#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "dist/runtime/errors.h"
#include "trainer/models/attention_heads.h"
#include "trainer/models/fused_ops.h"
#include "trainer/models/fused_support.h"
#include "trainer/models/plain_ops.h"

namespace tutti::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// A call: `q` [Q, ...] and `kv` [R, ...] hold their columns at the offsets given.
struct Call {
  at::Tensor q, kv;
  int64_t k_offset = 0;  // columns of kv in front of the keys; the values follow the keys
  int64_t width = 0, key_width = 0;         // H * d, K * d
  at::Tensor bias, keys, counts, position;  // bias and position empty: none
  at::Tensor dropout;                       // [H, Q, T], empty: none
  int64_t num_heads = 0;

  bool has_bias() const { return bias.numel() > 0; }
  int64_t d() const { return width / num_heads; }
  int64_t num_key_heads() const { return key_width / d(); }
  int64_t key_head(int64_t h) const { return h / (num_heads / num_key_heads()); }

  int64_t bias_size() const { return has_bias() ? bias.numel() / num_heads : 0; }  // of a head

  // Head h of `num` queries from `first` on. `head_bias`: as split_bias() gives it, or nothing.
  template <typename T>
  HeadView<T> head(int64_t h, int64_t first, int64_t num,
                   const std::vector<float>& head_bias) const {
    const T *q_data = q.const_data_ptr<T>(), *kv_data = kv.const_data_ptr<T>() + k_offset;
    const int64_t longest = keys.size(1);
    return {.queries = num,
            .keys_per_query = longest,
            .d = d(),
            .q_stride = q.stride(0),
            .kv_stride = kv.stride(0),
            .q = q_data + first * q.stride(0) + h * d(),
            .k = kv_data + key_head(h) * d(),
            .v = kv_data + key_width + key_head(h) * d(),
            .keys = keys.const_data_ptr<int64_t>() + first * longest,
            .counts = counts.const_data_ptr<int64_t>() + first,
            .position = has_bias() ? position.const_data_ptr<int64_t>() + first : nullptr,
            .bias = head_bias.empty() ? nullptr : head_bias.data() + h * bias_size(),
            .bias_keys = has_bias() ? bias.size(1) : 0,
            .dropout = dropout.numel() > 0
                           ? dropout.const_data_ptr<float>() + h * keys.numel() + first * longest
                           : nullptr};
  }
};

// [P, bias_keys, H] as [H, P * bias_keys]
std::vector<float> split_bias(const Call& call) {
  const int64_t size = call.bias_size();
  std::vector<float> out(call.num_heads * size);
  const float* from = size > 0 ? call.bias.const_data_ptr<float>() : nullptr;
  for (int64_t h = 0; h < call.num_heads; ++h) {
    for (int64_t i = 0; i < size; ++i) out[h * size + i] = from[i * call.num_heads + h];
  }
  return out;
}

// Threads share the heads, `together` in a row on one: each writes columns of its own, so no sum
// depends on their number. A thread takes some queries at a time through all of its heads, which
// lie side by side: the pages of their rows are then known to it (256 is ahead of 64).
template <typename Body>
void for_each_head(const Call& call, int64_t together, Body body) {
  constexpr int64_t kQueries = 256;
  const int64_t queries = call.keys.size(0);
  const int64_t elements = together * call.keys.numel() * call.d();
  const int64_t per_task = std::max<int64_t>(1, 4096 / std::max<int64_t>(elements, 1));
  at::parallel_for(0, call.num_heads / together, per_task, [&](int64_t first, int64_t last) {
    std::vector<float> scratch(2 * padded_to_lanes(call.keys.size(1)));
    for (int64_t row = 0; row < queries; row += kQueries) {
      const int64_t num = std::min(kQueries, queries - row);
      for (int64_t h = first * together; h < last * together; ++h)
        body(h, row, num, scratch.data());
    }
  });
}

// {out [Q, H * d], probability [H, Q, T]}
std::pair<at::Tensor, at::Tensor> attention_forward(const Call& call) {
  TUTTI_CHECK(!call.has_bias() || call.bias.size(1) >= call.keys.size(1));
  const int64_t queries = call.keys.size(0), longest = call.keys.size(1);
  const std::vector<float> head_bias = split_bias(call);
  at::Tensor out = at::empty({queries, call.width}, call.q.options());
  at::Tensor probability =
      at::empty({call.num_heads, queries, longest}, call.q.options().dtype(at::kFloat));
  auto* p = probability.mutable_data_ptr<float>();
  with_output(out, [&](auto* y) {
    using T = std::remove_pointer_t<decltype(y)>;
    for_each_head(call, 1, [&](int64_t h, int64_t first, int64_t num, float* scratch) {
      attend_head(call.head<T>(h, first, num, head_bias), p + (h * queries + first) * longest,
                  y + first * call.width + h * call.d(), call.width, scratch);
    });
  });
  return {out, probability};
}

// Writes dq to the columns of `dq` from 0, adds dk and dv to `dkv` (fp32, zeros) from k_offset.
// Returns dbias.
at::Tensor attention_backward(const Call& call, const at::Tensor& probability, const at::Tensor& g,
                              at::Tensor& dq, at::Tensor& dkv, int64_t k_offset) {
  const int64_t queries = call.keys.size(0), longest = call.keys.size(1);
  const int64_t bias_size = call.bias_size();
  std::vector<float> own_bias(call.num_heads * bias_size, 0.0F);  // [H, P * bias_keys]
  auto* to_kv = dkv.mutable_data_ptr<float>() + k_offset;
  const auto* p = probability.const_data_ptr<float>();
  with_output(dq, [&](auto* to_q) {
    using T = std::remove_pointer_t<decltype(to_q)>;
    const auto* grad = g.const_data_ptr<T>();
    // Heads that share keys add to the same columns.
    const int64_t together = call.num_heads / call.num_key_heads();
    for_each_head(call, together, [&](int64_t h, int64_t first, int64_t num, float* scratch) {
      const int64_t column = h * call.d(), key_column = call.key_head(h) * call.d();
      attend_grad_head(call.head<T>(h, first, num, {}), p + (h * queries + first) * longest,
                       grad + first * call.width + column, call.width, scratch,
                       scratch + padded_to_lanes(longest),
                       {.q = to_q + first * dq.stride(0) + column,
                        .q_stride = dq.stride(0),
                        .k = to_kv + key_column,
                        .v = to_kv + call.key_width + key_column,
                        .kv_stride = dkv.stride(0),
                        .bias = bias_size > 0 ? own_bias.data() + h * bias_size : nullptr});
    });
  });
  at::Tensor dbias = at::empty_like(call.bias);
  auto* to_bias = dbias.mutable_data_ptr<float>();
  for (int64_t h = 0; h < call.num_heads; ++h) {
    for (int64_t i = 0; i < bias_size; ++i)
      to_bias[i * call.num_heads + h] = own_bias[h * bias_size + i];
  }
  return dbias;
}

// Sums of keys and values are taken in fp32; in bf16 they are rounded into their columns after.
void round_into(const at::Tensor& sums, at::Tensor& out, int64_t column) {
  const int64_t rows = sums.size(0), width = sums.size(1);
  const auto* from = sums.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<BFloat16>() + column;
  at::parallel_for(0, rows, rows_per_task(width), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      to_bfloat16(from + r * width, to + r * out.stride(0), width);
    }
  });
}

// Keeps for the backward pass what came in, and behind it the probabilities.
at::Tensor attend_and_save(AutogradContext* ctx, variable_list inputs, const Call& call) {
  auto [out, probability] = attention_forward(call);
  inputs.push_back(probability);
  ctx->save_for_backward(std::move(inputs));
  ctx->saved_data["num_heads"] = call.num_heads;
  return out;
}

struct ListAttention : Function<ListAttention> {
  static Call call_of(const variable_list& t, int64_t num_heads) {
    return {.q = t[0],
            .kv = t[1],
            .k_offset = 0,
            .width = t[0].size(1),
            .key_width = t[1].size(1) / 2,
            .bias = t[2],
            .keys = t[3],
            .counts = t[4],
            .position = t[5],
            .dropout = t[6],
            .num_heads = num_heads};
  }
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& kv,
                            const at::Tensor& bias, const at::Tensor& keys,
                            const at::Tensor& counts, const at::Tensor& position,
                            const at::Tensor& dropout, int64_t num_heads) {
    const variable_list inputs = {q, kv, bias, keys, counts, position, dropout};
    return attend_and_save(ctx, inputs, call_of(inputs, num_heads));
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Call call = call_of(saved, ctx->saved_data["num_heads"].toInt());
    at::Tensor dq = at::empty(call.q.sizes(), call.q.options());
    at::Tensor sums = at::zeros(call.kv.sizes(), call.kv.options().dtype(at::kFloat)), dkv = sums;
    const at::Tensor dbias =
        attention_backward(call, saved[7], grads[0].contiguous(), dq, sums, /*k_offset=*/0);
    if (call.kv.scalar_type() == at::kBFloat16) {
      dkv = at::empty(call.kv.sizes(), call.kv.options());
      round_into(sums, dkv, 0);
    }
    return {dq, dkv, dbias, {}, {}, {}, {}, {}};
  }
};

struct ListSelfAttention : Function<ListSelfAttention> {
  static Call call_of(const variable_list& t, int64_t num_heads, int64_t num_key_heads) {
    const int64_t d = t[0].size(1) / (num_heads + 2 * num_key_heads);
    return {.q = t[0],
            .kv = t[0],
            .k_offset = num_heads * d,
            .width = num_heads * d,
            .key_width = num_key_heads * d,
            .bias = t[1],
            .keys = t[2],
            .counts = t[3],
            .position = t[4],
            .dropout = t[5],
            .num_heads = num_heads};
  }
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv, const at::Tensor& bias,
                            const at::Tensor& keys, const at::Tensor& counts,
                            const at::Tensor& position, const at::Tensor& dropout,
                            int64_t num_heads, int64_t num_key_heads) {
    const variable_list inputs = {qkv, bias, keys, counts, position, dropout};
    ctx->saved_data["num_key_heads"] = num_key_heads;
    return attend_and_save(ctx, inputs, call_of(inputs, num_heads, num_key_heads));
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const Call call = call_of(saved, ctx->saved_data["num_heads"].toInt(),
                              ctx->saved_data["num_key_heads"].toInt());
    const at::Tensor g = grads[0].contiguous();
    if (call.q.scalar_type() == at::kFloat) {
      at::Tensor d = at::zeros(call.q.sizes(), call.q.options());
      const at::Tensor dbias = attention_backward(call, saved[6], g, d, d, call.width);
      return {d, dbias, {}, {}, {}, {}, {}, {}};
    }
    at::Tensor d = at::empty(call.q.sizes(), call.q.options());
    at::Tensor sums =
        at::zeros({call.q.size(0), 2 * call.key_width}, call.q.options().dtype(at::kFloat));
    const at::Tensor dbias = attention_backward(call, saved[6], g, d, sums, /*k_offset=*/0);
    round_into(sums, d, call.width);
    return {d, dbias, {}, {}, {}, {}, {}, {}};
  }
};

// The tape takes no undefined tensor: an empty one stands for "no bias" and "no dropout".
struct Optional {
  Optional(const at::Tensor& bias, const AttentionLists& lists)
      : values(or_empty(bias, lists).contiguous()),
        position(bias.defined() ? lists.position : at::empty({0}, lists.keys.options())),
        dropout(or_empty(lists.dropout, lists)) {}
  static at::Tensor or_empty(const at::Tensor& t, const AttentionLists& lists) {
    return t.defined() ? t : at::empty({0}, lists.keys.options().dtype(at::kFloat));
  }
  at::Tensor values, position, dropout;
};

}  // namespace

at::Tensor list_attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& bias,
                          const AttentionLists& lists, int64_t num_heads) {
  const int64_t d = q.size(1) / num_heads, num_key_heads = kv.size(1) / 2 / d;
  TUTTI_CHECK(kv.size(1) == 2 * num_key_heads * d && num_heads % num_key_heads == 0, "heads");
  TUTTI_CHECK(q.stride(1) == 1 && kv.stride(1) == 1);
  if (!is_fused(q)) return plain::list_attention(q, kv, bias, lists, num_heads);
  const Optional given(bias, lists);
  return ListAttention::apply(q, kv, given.values, lists.keys, lists.counts, given.position,
                              given.dropout, num_heads);
}

at::Tensor list_self_attention(const at::Tensor& qkv, const at::Tensor& bias,
                               const AttentionLists& lists, int64_t num_heads,
                               int64_t num_key_heads) {
  const int64_t all_heads = num_heads + 2 * num_key_heads, d = qkv.size(1) / all_heads;
  TUTTI_CHECK(num_heads % num_key_heads == 0 && qkv.size(1) == all_heads * d, "heads");
  TUTTI_CHECK(qkv.stride(1) == 1);
  if (!is_fused(qkv)) {
    return plain::list_attention(qkv.narrow(1, 0, num_heads * d),
                                 qkv.narrow(1, num_heads * d, 2 * num_key_heads * d), bias, lists,
                                 num_heads);
  }
  const Optional given(bias, lists);
  return ListSelfAttention::apply(qkv, given.values, lists.keys, lists.counts, given.position,
                                  given.dropout, num_heads, num_key_heads);
}

}  // namespace tutti::trainer
