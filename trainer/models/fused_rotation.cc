// Rotary positions over the heads of queries and keys.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "dist/runtime/errors.h"
#include "ids/vectorize.h"
#include "trainer/models/fused_ops.h"
#include "trainer/models/fused_support.h"
#include "trainer/models/plain_ops.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

using lanes::Vec;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Heads {
  int64_t queries, keys, d;
  float query_scale;

  int64_t width() const { return (queries + 2 * keys) * d; }
};

// `direction` 1 turns, -1 turns back: the derivative, since a rotation's transpose is its inverse.
TUTTI_VECTORIZED void turn_rows(const Heads& heads, float direction, const float* x,
                                const float* cosine, const float* sine, float* y, int64_t rows) {
  const int64_t half = heads.d / 2, turning = heads.queries + heads.keys;
  for (int64_t r = 0; r < rows; ++r, cosine += half, sine += half) {
    for (int64_t h = 0; h < turning; ++h, x += heads.d, y += heads.d) {
      const float scale = h < heads.queries ? heads.query_scale : 1.0F;
      lanes::each(
          half, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
            Vec a, b, c, s;
            lanes::get(x + i, n, a);
            lanes::get(x + half + i, n, b);
            lanes::get(cosine + i, n, c);
            lanes::get(sine + i, n, s);
            c *= scale;
            s *= scale * direction;
            lanes::put(y + i, n, a * c - b * s);
            lanes::put(y + half + i, n, b * c + a * s);
          });
    }
    const int64_t rest = heads.keys * heads.d;  // values
    lanes::convert(x, y, rest);
    x += rest;
    y += rest;
  }
}

at::Tensor turn(const Heads& heads, float direction, const at::Tensor& x, const Rotation& by) {
  at::Tensor y = at::empty(x.sizes(), x.options());
  const int64_t rows = x.size(0), width = heads.width(), half = heads.d / 2;
  const auto *from = x.const_data_ptr<float>(), *cosine = by.cosine.const_data_ptr<float>(),
             *sine = by.sine.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  at::parallel_for(0, rows, rows_per_task(2 * width), [&](int64_t first, int64_t last) {
    turn_rows(heads, direction, from + first * width, cosine + first * half, sine + first * half,
              to + first * width, last - first);
  });
  return y;
}

Heads heads_of(const at::Tensor& qkv, int64_t queries, int64_t keys, double scale) {
  return {.queries = queries,
          .keys = keys,
          .d = qkv.size(1) / (queries + 2 * keys),
          .query_scale = static_cast<float>(scale)};
}

struct TurnedHeads : Function<TurnedHeads> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv, const at::Tensor& cosine,
                            const at::Tensor& sine, int64_t queries, int64_t keys, double scale) {
    ctx->save_for_backward({cosine, sine});
    ctx->saved_data["queries"] = queries;
    ctx->saved_data["keys"] = keys;
    ctx->saved_data["scale"] = scale;
    return turn(heads_of(qkv, queries, keys, scale), 1, qkv, {cosine, sine});
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor g = grads[0].contiguous();
    const Heads heads =
        heads_of(g, ctx->saved_data["queries"].toInt(), ctx->saved_data["keys"].toInt(),
                 ctx->saved_data["scale"].toDouble());
    return {turn(heads, -1, g, {saved[0], saved[1]}), {}, {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor turned_heads(const at::Tensor& qkv, const Rotation& rotation, int64_t num_heads,
                        int64_t num_key_heads, double query_scale) {
  TUTTI_CHECK(qkv.size(1) % (2 * (num_heads + 2 * num_key_heads)) == 0, "heads of an even width");
  if (!is_fused(qkv)) {
    return plain::turned_heads(qkv, rotation, num_heads, num_key_heads, query_scale);
  }
  TUTTI_CHECK(qkv.scalar_type() == at::kFloat, "positions turn in fp32");
  return TurnedHeads::apply(qkv.contiguous(), rotation.cosine, rotation.sine, num_heads,
                            num_key_heads, query_scale);
}

}  // namespace tutti::trainer
