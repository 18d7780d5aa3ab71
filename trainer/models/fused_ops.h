#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace tutti::trainer {

// The operators of a step that are no matrix product, each one pass over memory with a derivative
// of its own. With a step of a few titles the plain compositions cost as much as all products
// together (a dozen small operators each, and their tape). On the CPU they are our own loops: fp32
// or bf16 in memory, fp32 in arithmetic, the same bytes for any number of threads. On another
// device, or for another type, they are the compositions of plain_ops.h.

// x / sqrt(mean(x^2) + epsilon) * weight over the last dimension: x [R, d] fp32, weight [d]. The
// result has the type `type` (products in bf16 read it so).
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                    at::ScalarType type = at::kFloat);

// rms_norm and x itself for the residual connection around what follows: in the backward pass both
// gradients meet in one loop.
struct NormedResidual {
  at::Tensor normed, residual;
};
NormedResidual rms_norm_residual(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                                 at::ScalarType type = at::kFloat);

// gelu(gate) * up with the tanh form of GELU ("gelu_new"): gate_up [R, 2 n], the gate in the first
// n columns. Returns [R, n].
at::Tensor gated_gelu(const at::Tensor& gate_up);
// silu(gate) * up, likewise.
at::Tensor gated_silu(const at::Tensor& gate_up);

// Rotary positions: elements i and i + d / 2 of a head turn together by an angle that its row gives
// for i, in HF's order ("rotate half").
struct Rotation {
  at::Tensor cosine, sine;  // [R, d / 2] fp32
};
// qkv [R, (num_heads + 2 num_key_heads) d] fp32: queries, keys, values. Queries turn and are scaled
// by `query_scale`, keys turn, values stay.
at::Tensor turned_heads(const at::Tensor& qkv, const Rotation& rotation, int64_t num_heads,
                        int64_t num_key_heads, double query_scale);

// Which rows a query attends to. One form serves titles (all tokens of the title), trees (the path
// from the start node) and beams.
struct AttentionLists {
  at::Tensor keys;      // [Q, T] int64 rows of k and v; those behind counts[q] are
                        // not looked at
  at::Tensor counts;    // [Q] int64, 1 <= counts[q] <= T
  at::Tensor position;  // [Q] int64, row of the bias a query uses; may be
                        // undefined without a bias
  at::Tensor dropout;   // [H, Q, T] fp32 factors of the probabilities; undefined: none
};

// Multi-head attention without scaling over listed keys: softmax_t(q . k[keys[t]] + bias[position,
// t]) . v[keys[t]], a head. q [Q, H * d], keys and values side by side in kv [R, 2 * K * d] (rows
// may be strided), bias [P, T', H] fp32 with T' >= T, or undefined. K divides H: so many heads in a
// row read the same keys and values. Returns [Q, H * d].
at::Tensor list_attention(const at::Tensor& q, const at::Tensor& kv, const at::Tensor& bias,
                          const AttentionLists& lists, int64_t num_heads);
// The same where every row is a query, a key and a value: qkv [R, (H + 2 K) * d].
at::Tensor list_self_attention(const at::Tensor& qkv, const at::Tensor& bias,
                               const AttentionLists& lists, int64_t num_heads,
                               int64_t num_key_heads);
inline at::Tensor list_self_attention(const at::Tensor& qkv, const at::Tensor& bias,
                                      const AttentionLists& lists, int64_t num_heads) {
  return list_self_attention(qkv, bias, lists, num_heads, num_heads);
}

}  // namespace tutti::trainer
