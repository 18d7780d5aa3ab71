// Every fused operator against the plain composition of ATen operators in fp64 (the one that serves
// other devices): values and all derivatives. The compositions themselves against definitions that
// are written out.
#include "trainer/models/fused_ops.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <thread>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
#include "trainer/models/plain_ops.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

at::Tensor random(at::IntArrayRef shape, uint64_t stream, double scale = 1.0) {
  at::Tensor t = at::zeros(shape, at::kFloat);
  Rng rng(1, Purpose::kTest, stream);
  for (int64_t i = 0; i < t.numel(); ++i)
    t.mutable_data_ptr<float>()[i] = static_cast<float>(scale * rng.normal());
  return t;
}

// Runs `fused` on fp32 leaves and `plain` on their fp64 copies, weighs the outputs alike, and
// compares outputs and gradients.
template <typename Fused, typename Plain>
void expect_same(std::vector<at::Tensor> inputs, Fused fused, Plain plain,
                 double tolerance = 2e-6) {
  std::vector<at::Tensor> exact;
  for (at::Tensor& t : inputs) {
    t = t.detach().clone();
    exact.push_back(t.to(at::kDouble).set_requires_grad(true));
    t.set_requires_grad(true);
  }
  const at::Tensor y = fused(inputs), reference = plain(exact);
  const at::Tensor weight = random(y.sizes(), 99);
  (y * weight).sum().backward();
  (reference * weight.to(at::kDouble)).sum().backward();
  const auto relative = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a.to(at::kDouble) - b).norm() / b.norm()).item<double>();
  };
  EXPECT_LT(relative(y.detach(), reference.detach()), tolerance);
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_LT(relative(inputs[i].grad(), exact[i].grad()), tolerance) << "gradient of input " << i;
  }
}

float exp_of(float x) {
  lanes::Vec e;
  lanes::exp(lanes::Vec{} + x, e);
  return e[5];
}

TEST(VectorMath, ExpIsExactToAFewUlpsAndZeroFarBelow) {
  for (double x = -86.9; x < 88; x += 0.37) {
    const auto value = static_cast<float>(x);
    const double exact = std::exp(static_cast<double>(value));
    EXPECT_NEAR(exp_of(value) / exact, 1.0, 4e-7) << x;
    EXPECT_NEAR(lanes::exp(value) / exact, 1.0, 4e-7) << x;
  }
  EXPECT_EQ(exp_of(-std::numeric_limits<float>::infinity()), 0.0F);
  EXPECT_EQ(exp_of(0.0F), 1.0F);
  EXPECT_EQ(lanes::exp(-std::numeric_limits<float>::infinity()), 0.0F);
}

TEST(VectorMath, Bf16RoundsToNearestEvenAndKeepsWhatIsNoNumber) {
  std::vector<float> values = {
      0.0F,     -0.0F,     1.0F,     1.00390625F, 1.01171875F,
      3.14159F, -2.71828F, 1e-40F,   3.4e38F,     std::numeric_limits<float>::infinity(),
      1e30F,    -1e-30F,   65504.0F, 255.5F,      0.3333F,
      7.0F};
  std::vector<c10::BFloat16> rounded(values.size());
  lanes::convert(values.data(), rounded.data(), std::ssize(values));
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(rounded[i].x, c10::BFloat16(values[i]).x) << values[i];
  }
  const auto all_ones = std::bit_cast<float>(0xFFFFFFFFU);  // a NaN that rounding would carry over
  lanes::convert(&all_ones, rounded.data(), 1);
  EXPECT_TRUE(std::isnan(static_cast<float>(rounded[0])));
}

TEST(FusedOps, RmsNormEqualsItsDefinition) {
  for (const int64_t width : {32, 37}) {  // with and without a rest behind the last full vector
    expect_same(
        {random({150, width}, 1), random({width}, 2)},
        [](const auto& t) { return rms_norm(t[0], t[1], 1e-6); },
        [](const auto& t) { return plain::rms_norm(t[0], t[1], 1e-6, at::kFloat); });
    expect_same(  // the residual connection around it
        {random({150, width}, 1), random({width}, 2)},
        [](const auto& t) {
          const NormedResidual out = rms_norm_residual(t[0], t[1], 1e-6);
          return out.normed + 3.0 * out.residual;
        },
        [](const auto& t) { return plain::rms_norm(t[0], t[1], 1e-6, at::kFloat) + 3.0 * t[0]; });
  }
}

TEST(FusedOps, GatedGeluEqualsItsDefinition) {
  for (const int64_t width : {29, 32}) {
    expect_same(
        {random({13, 2 * width}, 1, 3.0)}, [](const auto& t) { return gated_gelu(t[0]); },
        [](const auto& t) { return plain::gated_gelu(t[0]); });
  }
}

TEST(FusedOps, GatedSiluEqualsItsDefinition) {
  for (const int64_t width : {29, 32}) {
    expect_same(
        {random({13, 2 * width}, 1, 3.0)}, [](const auto& t) { return gated_silu(t[0]); },
        [](const auto& t) { return plain::gated_silu(t[0]); });
  }
}

TEST(FusedOps, TurnedHeadsEqualTheirDefinition) {
  for (const int64_t d : {6, 32}) {
    const at::Tensor angle = random({150, d / 2}, 2, 10.0);
    const Rotation rotation = {.cosine = angle.cos(), .sine = angle.sin()};
    expect_same(
        {random({150, (4 + 2 * 2) * d}, 1)},
        [&](const auto& t) { return turned_heads(t[0], rotation, 4, 2, 0.3); },
        [&](const auto& t) { return plain::turned_heads(t[0], rotation, 4, 2, 0.3); });
  }
}

// One head of each kind, a quarter turn: (a, b) becomes (-b, a).
TEST(FusedOps, AQuarterTurnIsWrittenOut) {
  const at::Tensor qkv = at::tensor(std::vector<float>{1, 2, 3, 4, 5, 6}).view({1, 6});
  const Rotation quarter = {.cosine = at::zeros({1, 1}), .sine = at::ones({1, 1})};
  const at::Tensor expected = at::tensor(std::vector<float>{-4, 2, -4, 3, 5, 6}).view({1, 6});
  EXPECT_TRUE(turned_heads(qkv, quarter, 1, 1, 2.0).equal(expected));
  EXPECT_TRUE(plain::turned_heads(qkv, quarter, 1, 1, 2.0).equal(expected));
}

// Lists of different lengths, rows in any order and more than once.
AttentionLists some_lists(int64_t queries, int64_t rows, int64_t longest, int64_t positions) {
  std::vector<int64_t> keys, counts, position;
  Rng rng(1, Purpose::kTest, 7);
  for (int64_t i = 0; i < queries; ++i) {
    counts.push_back(1 + static_cast<int64_t>(rng.below(longest)));
    position.push_back(static_cast<int64_t>(rng.below(positions)));
    for (int64_t t = 0; t < longest; ++t) keys.push_back(static_cast<int64_t>(rng.below(rows)));
  }
  return {.keys = at::tensor(keys, at::kLong).view({queries, longest}),
          .counts = at::tensor(counts, at::kLong),
          .position = at::tensor(position, at::kLong),
          .dropout = {}};
}

// Query by query. t: q, kv, and a bias or none.
at::Tensor attention_by_definition(const std::vector<at::Tensor>& t, const AttentionLists& lists,
                                   int64_t heads) {
  const int64_t width = t[0].size(1), d = width / heads;
  const at::Tensor all_k = t[1].narrow(1, 0, width), all_v = t[1].narrow(1, width, width);
  std::vector<at::Tensor> out;
  for (int64_t i = 0; i < t[0].size(0); ++i) {
    const int64_t count = lists.counts[i].item<int64_t>();
    const at::Tensor keys = lists.keys[i].narrow(0, 0, count);
    const at::Tensor q = t[0][i].view({heads, 1, d});
    const at::Tensor k = all_k.index_select(0, keys).view({count, heads, d}).transpose(0, 1);
    const at::Tensor v = all_v.index_select(0, keys).view({count, heads, d}).transpose(0, 1);
    at::Tensor scores = at::matmul(q, k.transpose(1, 2));  // [H, 1, count]
    if (t.size() > 2)
      scores =
          scores + t[2][lists.position[i].item<int64_t>()].narrow(0, 0, count).t().unsqueeze(1);
    at::Tensor probability = at::softmax(scores, -1);
    if (lists.dropout.defined()) {
      probability = probability * lists.dropout.select(1, i).narrow(1, 0, count).unsqueeze(1);
    }
    out.push_back(at::matmul(probability, v).reshape({heads * d}));
  }
  return at::stack(out);
}

TEST(FusedOps, ListAttentionEqualsSoftmaxOverTheListedRows) {
  for (const int64_t head_dim : {5, 32}) {
    const int64_t heads = 3, width = heads * head_dim;
    const AttentionLists lists = some_lists(17, 11, 19, 4);
    const at::Tensor q = random({17, width}, 1, 0.5), kv = random({11, 2 * width}, 2, 0.5),
                     bias = random({4, 20, heads}, 4);
    const auto by_definition = [&](const auto& t) {
      return attention_by_definition(t, lists, heads);
    };
    expect_same(
        {q, kv, bias},
        [&](const auto& t) { return list_attention(t[0], t[1], t[2], lists, heads); },
        by_definition);
    expect_same(
        {q, kv}, [&](const auto& t) { return list_attention(t[0], t[1], {}, lists, heads); },
        by_definition);
    expect_same(
        {q, kv, bias},
        [&](const auto& t) { return plain::list_attention(t[0], t[1], t[2], lists, heads); },
        by_definition);
  }
}

TEST(FusedOps, ListAttentionDropsProbabilitiesBehindTheSoftmax) {
  const int64_t heads = 3, width = heads * 16;
  AttentionLists lists = some_lists(17, 17, 19, 4);
  lists.dropout = (random({heads, 17, 19}, 9) > 0).to(at::kFloat) * 2;
  expect_same(
      {random({17, width}, 1, 0.5), random({17, 2 * width}, 2, 0.5), random({4, 20, heads}, 4)},
      [&](const auto& t) { return list_attention(t[0], t[1], t[2], lists, heads); },
      [&](const auto& t) { return attention_by_definition(t, lists, heads); });
  expect_same(
      {random({17, 3 * width}, 1, 0.5), random({4, 20, heads}, 4)},
      [&](const auto& t) { return list_self_attention(t[0], t[1], lists, heads); },
      [&](const auto& t) {
        return plain::list_attention(t[0].narrow(1, 0, width), t[0].narrow(1, width, 2 * width),
                                     t[1], lists, heads);
      });
}

// More queries than a thread takes at a time.
TEST(FusedOps, ListAttentionOfManyQueriesIsTheSame) {
  const int64_t heads = 3, width = heads * 16, rows = 600;
  AttentionLists lists = some_lists(rows, rows, 6, 4);
  lists.dropout = (random({heads, rows, 6}, 9) > 0).to(at::kFloat) * 2;
  expect_same(
      {random({rows, 3 * width}, 1, 0.5), random({4, 6, heads}, 4)},
      [&](const auto& t) { return list_self_attention(t[0], t[1], lists, heads); },
      [&](const auto& t) {
        return plain::list_attention(t[0].narrow(1, 0, width), t[0].narrow(1, width, 2 * width),
                                     t[1], lists, heads);
      });
}

TEST(FusedOps, ListSelfAttentionTakesQueriesKeysAndValuesFromOneMatrix) {
  const int64_t heads = 3, width = heads * 16;
  const AttentionLists lists = some_lists(17, 17, 6, 4);
  expect_same(
      {random({17, 3 * width}, 1, 0.5), random({4, 6, heads}, 4)},
      [&](const auto& t) { return list_self_attention(t[0], t[1], lists, heads); },
      [&](const auto& t) {
        return attention_by_definition(
            {t[0].narrow(1, 0, width), t[0].narrow(1, width, 2 * width), t[1]}, lists, heads);
      });
}

// Two query heads in a row read one head of keys and values: the same as with a copy of it each.
TEST(FusedOps, ListAttentionSharesKeysAmongHeads) {
  const int64_t heads = 6, key_heads = 3, d = 16, width = heads * d, key_width = key_heads * d;
  const AttentionLists lists = some_lists(17, 17, 6, 4);
  const auto repeated = [&](const at::Tensor& kv) {
    return kv.view({-1, 2 * key_heads, d})
        .repeat_interleave(heads / key_heads, 1)
        .reshape({-1, 2 * width});
  };
  const auto by_definition = [&](const at::Tensor& q, const at::Tensor& kv,
                                 const at::Tensor& bias) {
    return attention_by_definition({q, repeated(kv), bias}, lists, heads);
  };
  const at::Tensor bias = random({4, 6, heads}, 4);
  expect_same(
      {random({17, width}, 1, 0.5), random({17, 2 * key_width}, 2, 0.5), bias},
      [&](const auto& t) { return list_attention(t[0], t[1], t[2], lists, heads); },
      [&](const auto& t) { return by_definition(t[0], t[1], t[2]); });
  expect_same(
      {random({17, width}, 1, 0.5), random({17, 2 * key_width}, 2, 0.5), bias},
      [&](const auto& t) { return plain::list_attention(t[0], t[1], t[2], lists, heads); },
      [&](const auto& t) { return by_definition(t[0], t[1], t[2]); });
  expect_same(
      {random({17, width + 2 * key_width}, 1, 0.5), bias},
      [&](const auto& t) { return list_self_attention(t[0], t[1], lists, heads, key_heads); },
      [&](const auto& t) {
        return by_definition(t[0].narrow(1, 0, width), t[0].narrow(1, width, 2 * key_width), t[1]);
      });
}

TEST(FusedOps, GiveTheSameBytesOnOneAndTwoThreads) {
  const AttentionLists lists = some_lists(500, 500, 6, 4);
  std::vector<at::Tensor> outcomes;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    at::Tensor x = random({500, 192}, 1).set_requires_grad(true),
               bias = random({4, 6, 4}, 3).set_requires_grad(true),
               weight = random({192}, 4).set_requires_grad(true);
    const auto [normed, residual] = rms_norm_residual(x, weight, 1e-6);
    const at::Tensor y = gated_gelu(
        at::cat({list_self_attention(normed, bias, lists, 4), residual.narrow(1, 0, 64)}, 1));
    y.square().sum().backward();
    outcomes.push_back(at::cat({y.detach().view({-1}), x.grad().view({-1}), bias.grad().view({-1}),
                                weight.grad().view({-1})}));
  }
  at::set_num_threads(1);
  EXPECT_TRUE(outcomes[0].equal(outcomes[1]));
}

// bf16 in memory, fp32 in arithmetic: as good as rounding inputs and results.
TEST(FusedOps, InBf16AreAsExactAsTheirRounding) {
  const AttentionLists lists = some_lists(40, 40, 6, 4);
  const auto bf16 = [](const at::Tensor& t) { return t.to(at::kBFloat16); };
  constexpr double kRounding = 6e-3;  // 2^-8 an element, in and out
  expect_same(
      {random({40, 48}, 1), random({48}, 2)},
      [&](const auto& t) { return rms_norm(t[0], t[1], 1e-6, at::kBFloat16).to(at::kFloat); },
      [](const auto& t) { return plain::rms_norm(t[0], t[1], 1e-6, at::kFloat); }, kRounding);
  expect_same(
      {random({13, 64}, 1)}, [&](const auto& t) { return gated_gelu(bf16(t[0])).to(at::kFloat); },
      [](const auto& t) { return plain::gated_gelu(t[0]); }, kRounding);
  expect_same(
      {random({40, 96}, 1, 0.5), random({4, 6, 2}, 4)},
      [&](const auto& t) { return list_self_attention(bf16(t[0]), t[1], lists, 2).to(at::kFloat); },
      [&](const auto& t) {
        return plain::list_attention(t[0].narrow(1, 0, 32), t[0].narrow(1, 32, 64), t[1], lists, 2);
      },
      2 * kRounding);
  expect_same(
      {random({40, 32}, 1, 0.5), random({40, 64}, 2, 0.5)},
      [&](const auto& t) {
        return list_attention(bf16(t[0]), bf16(t[1]), {}, lists, 2).to(at::kFloat);
      },
      [&](const auto& t) { return plain::list_attention(t[0], t[1], {}, lists, 2); },
      2 * kRounding);
}

// Where at::parallel_for is compiled without OpenMP it is a plain loop, and says nothing.
TEST(Threads, ParallelLoopsRunOnAsManyAsAtenIsSetTo) {
  at::set_num_threads(2);
  std::array<std::thread::id, 2> ran_on;
  at::parallel_for(0, 2, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) ran_on[i] = std::this_thread::get_id();
  });
  at::set_num_threads(1);
  EXPECT_NE(ran_on[0], ran_on[1]);
}

}  // namespace
}  // namespace tutti::trainer
