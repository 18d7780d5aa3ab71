#include "trainer/models/attention_heads.h"

#include <limits>

#include "ids/vectorize.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

using c10::BFloat16;
using lanes::Vec;

// The columns of a head lie apart, in rows of all heads: the processor foresees no stream there,
// and without a word in time waits for memory at every row. Measured: 8 and 16 are ahead of 4.
constexpr int64_t kQueriesAhead = 16;
template <int kWrite, typename T>
[[gnu::always_inline]] inline void prefetch(const T* p, int64_t size) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < size; i += kLine) __builtin_prefetch(p + i, kWrite);
}
// What a later query brings with it is its own row, and its last key's (in a tree, itself).
template <typename T>
[[gnu::always_inline]] inline int64_t last_key(const HeadView<T>& a, int64_t i) {
  return a.keys[i * a.keys_per_query + a.counts[i] - 1];
}
template <typename T>
[[gnu::always_inline]] inline void prefetch_query(const HeadView<T>& a, int64_t i) {
  prefetch<0>(a.q + i * a.q_stride, a.d);
  const int64_t key = last_key(a, i) * a.kv_stride;
  prefetch<0>(a.k + key, a.d);
  prefetch<0>(a.v + key, a.d);
}

template <typename T>
[[gnu::always_inline]] inline void attend(const HeadView<T>& a, float* probability, T* out,
                                          int64_t out_stride, float* score) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < a.queries; ++i) {
    const int64_t* keys = a.keys + i * a.keys_per_query;
    const int64_t count = a.counts[i];
    const T* q = a.q + i * a.q_stride;
    if (i + kQueriesAhead < a.queries) prefetch_query(a, i + kQueriesAhead);
    float largest = kNone;
    for (int64_t t = 0; t < count; ++t) {
      score[t] = lanes::dot(q, a.k + keys[t] * a.kv_stride, a.d);
      if (a.bias != nullptr) score[t] += a.bias[a.position[i] * a.bias_keys + t];
      largest = score[t] > largest ? score[t] : largest;
    }
    for (int64_t t = count; t < padded_to_lanes(count); ++t) score[t] = kNone;
    Vec sum = {};
    for (int64_t t = 0; t < count; t += lanes::kLanes) {
      Vec x, e;
      lanes::load(score + t, x);
      lanes::exp(x - largest, e);
      lanes::store(score + t, e);
      sum += e;
    }
    const float total = 1.0F / lanes::sum_of(sum);
    float* p = probability + i * a.keys_per_query;
    for (int64_t t = 0; t < count; ++t) p[t] = score[t] * total;
    const float* share = p;
    if (a.dropout != nullptr) {
      const float* factor = a.dropout + i * a.keys_per_query;
      for (int64_t t = 0; t < count; ++t) score[t] = p[t] * factor[t];
      share = score;
    }
    T* y = out + i * out_stride;
    lanes::each(
        a.d, [&](int64_t c, int64_t n) __attribute__((always_inline)) {
          Vec mixed = {};
          for (int64_t t = 0; t < count; ++t) {
            Vec v;
            lanes::get(a.v + keys[t] * a.kv_stride + c, n, v);
            mixed += share[t] * v;
          }
          lanes::put(y + c, n, mixed);
        });
  }
}

template <typename T>
[[gnu::always_inline]] inline void attend_grad(const HeadView<T>& a, const float* probability,
                                               const T* grad, int64_t grad_stride, float* slope,
                                               float* dropped, const HeadGrads<T>& out) {
  for (int64_t i = 0; i < a.queries; ++i) {
    const int64_t* keys = a.keys + i * a.keys_per_query;
    const int64_t count = a.counts[i];
    const float* p = probability + i * a.keys_per_query;
    const T *g = grad + i * grad_stride, *q = a.q + i * a.q_stride;
    if (const int64_t next = i + kQueriesAhead; next < a.queries) {
      prefetch_query(a, next);
      prefetch<0>(grad + next * grad_stride, a.d);
      const int64_t key = last_key(a, next) * out.kv_stride;
      prefetch<1>(out.k + key, a.d);
      prefetch<1>(out.v + key, a.d);
    }
    const float* share = p;
    if (a.dropout != nullptr) {
      const float* factor = a.dropout + i * a.keys_per_query;
      for (int64_t t = 0; t < count; ++t) dropped[t] = p[t] * factor[t];
      share = dropped;
    }
    float mean = 0;
    for (int64_t t = 0; t < count; ++t) {
      slope[t] = lanes::dot(g, a.v + keys[t] * a.kv_stride, a.d);
      if (a.dropout != nullptr) slope[t] *= a.dropout[i * a.keys_per_query + t];
      mean += p[t] * slope[t];
    }
    for (int64_t t = 0; t < count; ++t) {
      slope[t] = p[t] * (slope[t] - mean);
      if (out.bias != nullptr) out.bias[a.position[i] * a.bias_keys + t] += slope[t];
    }
    T* dq = out.q + i * out.q_stride;
    lanes::each(
        a.d, [&](int64_t c, int64_t n) __attribute__((always_inline)) {
          Vec from_q, from_g, sum = {};
          lanes::get(q + c, n, from_q);
          lanes::get(g + c, n, from_g);
          for (int64_t t = 0; t < count; ++t) {
            Vec k, dk, dv;
            lanes::get(a.k + keys[t] * a.kv_stride + c, n, k);
            sum += slope[t] * k;
            float *to_k = out.k + keys[t] * out.kv_stride + c,
                  *to_v = out.v + keys[t] * out.kv_stride + c;
            lanes::get(to_k, n, dk);
            lanes::put(to_k, n, dk + slope[t] * from_q);
            lanes::get(to_v, n, dv);
            lanes::put(to_v, n, dv + share[t] * from_g);
          }
          lanes::put(dq + c, n, sum);
        });
  }
}

}  // namespace

int64_t padded_to_lanes(int64_t n) {
  return (n + lanes::kLanes - 1) / lanes::kLanes * lanes::kLanes;
}

TUTTI_VECTORIZED void attend_head(const HeadView<float>& a, float* probability, float* out,
                                  int64_t out_stride, float* score) {
  attend(a, probability, out, out_stride, score);
}
TUTTI_VECTORIZED void attend_head(const HeadView<BFloat16>& a, float* probability, BFloat16* out,
                                  int64_t out_stride, float* score) {
  attend(a, probability, out, out_stride, score);
}

TUTTI_VECTORIZED void attend_grad_head(const HeadView<float>& a, const float* probability,
                                       const float* grad, int64_t grad_stride, float* slope,
                                       float* dropped, const HeadGrads<float>& out) {
  attend_grad(a, probability, grad, grad_stride, slope, dropped, out);
}
TUTTI_VECTORIZED void attend_grad_head(const HeadView<BFloat16>& a, const float* probability,
                                       const BFloat16* grad, int64_t grad_stride, float* slope,
                                       float* dropped, const HeadGrads<BFloat16>& out) {
  attend_grad(a, probability, grad, grad_stride, slope, dropped, out);
}

TUTTI_VECTORIZED void to_bfloat16(const float* from, BFloat16* to, int64_t size) {
  lanes::convert(from, to, size);
}

}  // namespace tutti::trainer
