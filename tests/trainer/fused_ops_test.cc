// Every fused operator against the plain composition of ATen operators in fp64: values and all
// derivatives.
#include "trainer/models/fused_ops.h"

#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
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

TEST(VectorMath, ExpIsExactToAFewUlpsAndZeroFarBelow) {
  for (double x = -86.9; x < 88; x += 0.37) {
    const auto value = static_cast<float>(x);
    EXPECT_NEAR(lanes::exp(value) / std::exp(static_cast<double>(value)), 1.0, 4e-7) << x;
  }
  EXPECT_EQ(lanes::exp(-std::numeric_limits<float>::infinity()), 0.0F);
  EXPECT_EQ(lanes::exp(0.0F), 1.0F);
}

TEST(VectorMath, TanhHoldsAtBothEnds) {
  for (double x = -12; x < 12; x += 0.13)
    EXPECT_NEAR(lanes::tanh(static_cast<float>(x)), std::tanh(x), 3e-7) << x;
  EXPECT_EQ(lanes::tanh(100.0F), 1.0F);
  EXPECT_EQ(lanes::tanh(-100.0F), -1.0F);
}

TEST(FusedOps, RmsNormEqualsItsDefinition) {
  for (const int64_t width : {32, 37}) {  // with and without a rest behind the last full vector
    expect_same(
        {random({21, width}, 1), random({width}, 2)},
        [](const auto& t) { return rms_norm(t[0], t[1], 1e-6); },
        [](const auto& t) { return t[0] * at::rsqrt(t[0].square().mean(-1, true) + 1e-6) * t[1]; });
  }
}

TEST(FusedOps, GatedGeluEqualsItsDefinition) {
  expect_same(
      {random({13, 29}, 1, 3.0), random({13, 29}, 2)},
      [](const auto& t) { return gated_gelu(t[0], t[1]); },
      [](const auto& t) { return at::gelu(t[0], "tanh") * t[1]; });
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
  return {at::tensor(keys, at::kLong).view({queries, longest}), at::tensor(counts, at::kLong),
          at::tensor(position, at::kLong)};
}

at::Tensor plain_attention(const std::vector<at::Tensor>& t, const AttentionLists& lists,
                           int64_t heads) {
  const int64_t d = t[0].size(1) / heads;
  std::vector<at::Tensor> out;
  for (int64_t i = 0; i < t[0].size(0); ++i) {
    const int64_t count = lists.counts[i].item<int64_t>();
    const at::Tensor keys = lists.keys[i].narrow(0, 0, count);
    const at::Tensor q = t[0][i].view({heads, 1, d});
    const at::Tensor k = t[1].index_select(0, keys).view({count, heads, d}).transpose(0, 1);
    const at::Tensor v = t[2].index_select(0, keys).view({count, heads, d}).transpose(0, 1);
    at::Tensor scores = at::matmul(q, k.transpose(1, 2));  // [H, 1, count]
    if (t.size() > 3)
      scores =
          scores + t[3][lists.position[i].item<int64_t>()].narrow(0, 0, count).t().unsqueeze(1);
    out.push_back(at::matmul(at::softmax(scores, -1), v).reshape({heads * d}));
  }
  return at::stack(out);
}

TEST(FusedOps, ListAttentionEqualsSoftmaxOverTheListedRows) {
  for (const int64_t head_dim : {5, 32}) {
    const int64_t heads = 3, width = heads * head_dim;
    const AttentionLists lists = some_lists(17, 11, 6, 4);
    expect_same(
        {random({17, width}, 1, 0.5), random({11, width}, 2, 0.5), random({11, width}, 3),
         random({4, 6, heads}, 4)},
        [&](const auto& t) { return list_attention(t[0], t[1], t[2], t[3], lists, heads); },
        [&](const auto& t) { return plain_attention(t, lists, heads); });
    expect_same(
        {random({17, width}, 1, 0.5), random({11, width}, 2, 0.5), random({11, width}, 3)},
        [&](const auto& t) { return list_attention(t[0], t[1], t[2], {}, lists, heads); },
        [&](const auto& t) { return plain_attention(t, lists, heads); });
  }
}

TEST(FusedOps, ListAttentionGivesTheSameBytesOnOneAndTwoThreads) {
  const AttentionLists lists = some_lists(50, 30, 6, 4);
  std::vector<at::Tensor> grads;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    at::Tensor q = random({50, 64}, 1).set_requires_grad(true),
               k = random({30, 64}, 2).set_requires_grad(true);
    at::Tensor bias = random({4, 6, 4}, 3).set_requires_grad(true);
    list_attention(q, k, k, bias, lists, 4).square().sum().backward();
    grads.push_back(at::cat({q.grad().view({-1}), k.grad().view({-1}), bias.grad().view({-1})}));
  }
  EXPECT_TRUE(grads[0].equal(grads[1]));
}

TEST(FusedOps, WeightedCrossEntropyEqualsLogSoftmaxAndSkipsForbiddenColumns) {
  const std::vector<int64_t> row = {0, 0, 2, 3}, column = {1, 4, 0, 36};
  const std::vector<float> weight = {2.0F, 0.5F, 1.0F, 3.0F};
  const WeightedTargets targets = {at::tensor(row, at::kLong), at::tensor(column, at::kLong),
                                   at::tensor(weight, at::kFloat)};
  at::Tensor mask = at::zeros({5, 37}, at::kFloat);
  mask[2].narrow(0, 1, 36).fill_(
      -std::numeric_limits<float>::infinity());  // only the target itself may follow
  mask[3].narrow(0, 0, 30).fill_(-std::numeric_limits<float>::infinity());
  expect_same(
      {random({5, 37}, 1, 2.0)},
      [&](const auto& t) { return weighted_cross_entropy(t[0] + mask, targets); },
      [&](const auto& t) {
        const at::Tensor log_p = at::log_softmax(t[0] + mask.to(at::kDouble), 1).view({-1});
        const at::Tensor cells = targets.row * 37 + targets.column;
        return -(log_p.index_select(0, cells) * targets.weight.to(at::kDouble)).sum();
      });
}

}  // namespace
}  // namespace tutti::trainer
