#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace tutti::trainer {

// The operators of a step that are no matrix product, each one pass over memory with a derivative
// of its own. CPU, fp32, contiguous. With a step of a few titles the plain compositions cost as
// much as all products together (a dozen small operators each, and their tape). Results do not
// depend on the number of threads.

// x / sqrt(mean(x^2) + epsilon) * weight over the last dimension: x [R, d], weight [d].
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

// gelu(gate) * up with the tanh form of GELU ("gelu_new"): both [R, n].
at::Tensor gated_gelu(const at::Tensor& gate, const at::Tensor& up);

// Which rows a query attends to. One form serves titles (all tokens of the title), trees (the path
// from the start node) and beams.
struct AttentionLists {
  at::Tensor keys;    // [Q, T] int64 rows of k and v; those behind counts[q] are not looked at
  at::Tensor counts;  // [Q] int64, 1 <= counts[q] <= T
  at::Tensor
      position;  // [Q] int64, row of the bias a query uses; may be undefined when there is no bias
};

// Multi-head attention without scaling over listed keys: softmax_t(q . k[keys[t]] + bias[position,
// t]) . v[keys[t]], a head. q [Q, H * d], k and v [R, H * d], bias [P, T', H] with T' >= T, or
// undefined. Returns [Q, H * d].
at::Tensor list_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& bias, const AttentionLists& lists, int64_t num_heads);

// Targets of a cross-entropy against summed weights; spans over memory that outlives the backward
// pass.
struct WeightedTargets {
  at::Tensor row, column;  // [n] int64, rows ascending
  at::Tensor weight;       // [n] fp32
};

// sum_n weight[n] * -log softmax(logits[row[n]])[column[n]], a scalar; logits [R, K], -inf entries
// take no part.
at::Tensor weighted_cross_entropy(const at::Tensor& logits, const WeightedTargets& targets);

}  // namespace tutti::trainer
