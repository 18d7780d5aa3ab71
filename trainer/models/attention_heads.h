#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

// The arithmetic of attention over listed keys, one head on one thread, fp32 or bf16 with fp32
// sums. fused_attention.cc makes operators of it.
namespace tutti::trainer {

// One call for one head; pointers stand at the head's columns.
template <typename T>
struct HeadView {
  int64_t queries, keys_per_query, d;
  int64_t q_stride, kv_stride;
  const T *q, *k, *v;
  const int64_t *keys, *counts;
  const int64_t* position;  // null without a bias
  const float* bias;        // [P, bias_keys] of this head
  int64_t bias_keys;
  const float* dropout;  // [queries, keys_per_query], null without
};

// Floats of scratch that a query with n keys needs.
int64_t padded_to_lanes(int64_t n);

// Writes probability [Q, T] and out [Q, out_stride]; score: room for padded_to_lanes(T) floats.
void attend_head(const HeadView<float>& a, float* probability, float* out, int64_t out_stride,
                 float* score);
void attend_head(const HeadView<c10::BFloat16>& a, float* probability, c10::BFloat16* out,
                 int64_t out_stride, float* score);

// Where the gradients of one head go: dq is written, the others are added to.
template <typename T>
struct HeadGrads {
  T* q;
  int64_t q_stride;
  float *k, *v;
  int64_t kv_stride;
  float* bias;  // [P, bias_keys]; null without a bias
};

// grad: of `out` above. slope, dropped: room for T floats each.
void attend_grad_head(const HeadView<float>& a, const float* probability, const float* grad,
                      int64_t grad_stride, float* slope, float* dropped,
                      const HeadGrads<float>& out);
void attend_grad_head(const HeadView<c10::BFloat16>& a, const float* probability,
                      const c10::BFloat16* grad, int64_t grad_stride, float* slope, float* dropped,
                      const HeadGrads<c10::BFloat16>& out);

void to_bfloat16(const float* from, c10::BFloat16* to, int64_t size);

}  // namespace tutti::trainer
