// How a model computes: bf16 against fp32, blocks computed again against blocks kept.
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "tests/trainer/small_world.h"
#include "trainer/adamw_kernel.h"
#include "trainer/loss.h"
#include "trainer/optimizer.h"

namespace tutti::trainer {
namespace {

class ComputeTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    for (const OwnedGroup& g : owned_) groups_.push_back({g.title_tokens, g.tracks});
  }

  struct Outcome {
    double loss;
    at::Tensor grads;
  };
  Outcome loss_and_gradients(const ComputeOptions& options, const Dropout& dropout = {}) const {
    T5Model model(small_t5(table_));
    model.initialize(11);
    model.set_compute(options);
    const PackedBatch batch = pack(groups_, table_, trie_);
    const at::Tensor loss = packed_loss(model, batch, table_, nullptr, dropout) / batch.weight;
    loss.backward();
    return {loss.item<double>(), model.flat_grads()};
  }

  // Losses of training on the same titles again and again.
  std::vector<double> losses(Precision precision, int64_t steps) const {
    T5Model model(small_t5(table_));
    model.initialize(11);
    model.set_compute({.precision = precision});
    AdamW optimizer(model, {});
    std::vector<double> all;
    for (int64_t step = 0; step < steps; ++step) {
      const PackedBatch batch = pack(std::span(groups_).subspan(step % 3 * 4, 4), table_, trie_);
      const at::Tensor loss = packed_loss(model, batch, table_) / batch.weight;
      loss.backward();
      all.push_back(loss.item<double>());
      optimizer.step(3e-3, std::max(1.0, model.flat_grads().norm().item<double>()));
    }
    return all;
  }

  const ids::IdTable table_ = random_id_table(300, 5, 3);
  const ids::Trie trie_ = ids::build_trie(table_);
  const std::vector<OwnedGroup> owned_ = random_groups(12, 300, 15, 5);
  std::vector<TitleGroup> groups_;
};

TEST_F(ComputeTest, BlocksComputedAgainGiveTheSameBytes) {
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    for (const double rate : {0.0, 0.2}) {
      const Dropout dropout(rate, 3, 7);
      const Outcome kept = loss_and_gradients({.precision = precision}, dropout);
      const Outcome again =
          loss_and_gradients({.precision = precision, .checkpoint_activations = true}, dropout);
      EXPECT_EQ(kept.loss, again.loss);
      EXPECT_TRUE(kept.grads.equal(again.grads));
    }
  }
}

TEST_F(ComputeTest, Bf16GivesTheLossAndGradientOfFp32UpToItsRounding) {
  const Outcome exact = loss_and_gradients({});
  const Outcome rounded = loss_and_gradients({.precision = Precision::kBf16});
  EXPECT_NEAR(rounded.loss / exact.loss, 1.0, 5e-3);
  EXPECT_NE(rounded.loss, exact.loss) << "nothing was rounded";
  const double difference = (rounded.grads - exact.grads).norm().item<double>();
  EXPECT_LT(difference, 0.03 * exact.grads.norm().item<double>());
}

TEST_F(ComputeTest, Bf16TrainsAlongTheCurveOfFp32) {
  const std::vector<double> exact = losses(Precision::kFp32, 90),
                            rounded = losses(Precision::kBf16, 90);
  EXPECT_LT(exact.back(), exact.front() - 0.5) << "the test would see no training";
  constexpr size_t kWindow = 30;  // ten times each batch
  for (size_t first = 0; first < exact.size(); first += kWindow) {
    double of_exact = 0, of_rounded = 0;
    for (size_t i = first; i < first + kWindow; ++i) {
      of_exact += exact[i];
      of_rounded += rounded[i];
    }
    EXPECT_NEAR(of_rounded / of_exact, 1.0, 0.04) << "steps from " << first;
  }
}

TEST_F(ComputeTest, AdamWKeepsTheRoundedWeightsCurrentAndLeavesNoGradient) {
  T5Model model(small_t5(table_));
  model.initialize(11);
  EXPECT_FALSE(model.flat_rounded().defined());
  model.set_compute({.precision = Precision::kBf16});
  AdamW optimizer(model, {});
  model.flat_grads().fill_(0.5);
  const at::Tensor before = model.flat_rounded().clone();
  optimizer.step(1e-2, 1.0);
  EXPECT_TRUE(model.flat_rounded().equal(model.flat_values().to(at::kBFloat16)));
  EXPECT_FALSE(model.flat_rounded().equal(before));
  EXPECT_EQ(model.flat_grads().abs().max().item<double>(), 0);

  model.initialize(12);
  EXPECT_FALSE(model.flat_rounded().equal(model.flat_values().to(at::kBFloat16)));
  model.round_weights();
  EXPECT_TRUE(model.flat_rounded().equal(model.flat_values().to(at::kBFloat16)));
}

TEST(SumOfSquares, IsExactAndTheSameOnOneAndTwoThreads) {
  std::vector<float> x(100'003);
  Rng rng(1, Purpose::kTest);
  double exact = 0;
  for (float& v : x) {
    v = static_cast<float>(rng.normal());
    exact += static_cast<double>(v) * v;
  }
  std::vector<double> sums;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    sums.push_back(sum_of_squares(x.data(), std::ssize(x)));
  }
  at::set_num_threads(1);
  EXPECT_NEAR(sums[0] / exact, 1.0, 1e-6);
  EXPECT_EQ(sums[0], sums[1]);
  x[77] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(sum_of_squares(x.data(), std::ssize(x))));
}

}  // namespace
}  // namespace tutti::trainer
