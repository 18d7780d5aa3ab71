#include "trainer/models/plain_ops.h"

#include <atomic>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>

namespace tutti::trainer::plain {
namespace {

std::atomic<int> num_forced{0};

// Arithmetic is fp32 for bf16 (and the type's own for fp32 and fp64).
at::Tensor widened(const at::Tensor& t) {
  return t.scalar_type() == at::kBFloat16 ? t.to(at::kFloat) : t;
}

}  // namespace

Forced::Forced() {
  ++num_forced;
}
Forced::~Forced() {
  --num_forced;
}
bool Forced::is_on() {
  return num_forced > 0;
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                    at::ScalarType type) {
  const at::Tensor y = x * at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + epsilon) * weight;
  return type == at::kBFloat16 ? y.to(type) : y;
}

at::Tensor gated_gelu(const at::Tensor& gate_up) {
  const int64_t n = gate_up.size(1) / 2;
  const at::Tensor wide = widened(gate_up);
  return (at::gelu(wide.narrow(1, 0, n), "tanh") * wide.narrow(1, n, n)).to(gate_up.scalar_type());
}

at::Tensor gated_silu(const at::Tensor& gate_up) {
  const int64_t n = gate_up.size(1) / 2;
  const at::Tensor wide = widened(gate_up);
  return (at::silu(wide.narrow(1, 0, n)) * wide.narrow(1, n, n)).to(gate_up.scalar_type());
}

at::Tensor turned_heads(const at::Tensor& qkv, const Rotation& rotation, int64_t num_heads,
                        int64_t num_key_heads, double query_scale) {
  const int64_t rows = qkv.size(0), turning = num_heads + num_key_heads,
                d = qkv.size(1) / (turning + num_key_heads), half = d / 2;
  const at::Tensor heads = qkv.narrow(1, 0, turning * d).reshape({rows, turning, d});
  const at::Tensor a = heads.narrow(2, 0, half), b = heads.narrow(2, half, half);
  const at::Tensor cosine = rotation.cosine.unsqueeze(1), sine = rotation.sine.unsqueeze(1);
  const at::Tensor turned = at::cat({a * cosine - b * sine, b * cosine + a * sine}, 2);
  return at::cat({(turned.narrow(1, 0, num_heads) * query_scale).reshape({rows, num_heads * d}),
                  turned.narrow(1, num_heads, num_key_heads).reshape({rows, num_key_heads * d}),
                  qkv.narrow(1, turning * d, num_key_heads * d)},
                 1);
}

at::Tensor list_attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& bias,
                          const AttentionLists& lists, int64_t num_heads) {
  const int64_t queries = q.size(0), longest = lists.keys.size(1), width = q.size(1),
                d = width / num_heads;
  const at::Tensor is_listed = at::arange(longest, lists.counts.options()).unsqueeze(0) <
                               lists.counts.unsqueeze(1);  // [Q, T]
  const at::Tensor keys = lists.keys * is_listed;  // what is behind the counts may be anything
  const int64_t num_key_heads = kv.size(1) / 2 / d;
  const at::Tensor listed = widened(kv)
                                .index_select(0, keys.view({-1}))
                                .view({queries, longest, 2, num_key_heads, d})
                                .repeat_interleave(num_heads / num_key_heads, 3);
  at::Tensor scores =
      at::einsum("qhd,qthd->qth", {widened(q).view({queries, num_heads, d}), listed.select(2, 0)});
  if (bias.defined()) scores = scores + bias.index_select(0, lists.position).narrow(1, 0, longest);
  scores = scores.masked_fill(is_listed.logical_not().unsqueeze(2),
                              -std::numeric_limits<float>::infinity());
  at::Tensor probability = at::softmax(scores, 1);
  if (lists.dropout.defined()) probability = probability * lists.dropout.permute({1, 2, 0});
  return at::einsum("qth,qthd->qhd", {probability, listed.select(2, 1)})
      .reshape({queries, width})
      .to(q.scalar_type());
}

void adamw_update(const AdamWFactors& f, at::Tensor values, at::Tensor grads, at::Tensor moment1,
                  at::Tensor moment2, at::Tensor rounded) {
  grads.mul_(f.grad_scale);
  moment1.mul_(f.beta1).add_(grads, 1.0F - f.beta1);
  moment2.mul_(f.beta2).addcmul_(grads, grads, 1.0F - f.beta2);
  const at::Tensor denominator = moment2.sqrt().mul_(f.root_scale).add_(f.epsilon);
  values.mul_(f.keep).addcdiv_(moment1, denominator, -f.step_size);
  grads.zero_();
  if (rounded.defined()) rounded.copy_(values);
}

}  // namespace tutti::trainer::plain
