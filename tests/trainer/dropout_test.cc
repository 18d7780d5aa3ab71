#include "trainer/models/dropout.h"

#include <numeric>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/trainer/small_world.h"
#include "trainer/loss.h"

namespace tutti::trainer {
namespace {

const std::vector<uint64_t> kKeys = {5, 1ULL << 40, 77, 5};

TEST(DropoutFactors, DropTheGivenShareAndScaleTheRest) {
  for (const double rate : {0.1, 0.5, 0.9}) {
    std::vector<uint64_t> keys(400);
    std::iota(keys.begin(), keys.end(), uint64_t{0});
    const at::Tensor factors = Dropout(rate, 1, 2).factors(3, keys, 501);
    const double dropped = (factors == 0).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(dropped, rate, 0.005);
    EXPECT_NEAR(factors.max().item<double>(), 1 / (1 - rate), 1e-3);
    EXPECT_NEAR(factors.mean().item<double>(), 1.0, 0.03);
  }
}

TEST(DropoutFactors, DependOnSeedStepPlaceRowAndColumnOnly) {
  const Dropout dropout(0.5, 1, 2);
  const at::Tensor factors = dropout.factors(3, kKeys, 64);
  EXPECT_TRUE(factors[0].equal(factors[3])) << "the same row";
  EXPECT_FALSE(factors[0].equal(factors[1]));
  EXPECT_TRUE(dropout.factors(3, {77}, 64)[0].equal(factors[2])) << "alone";
  EXPECT_TRUE(dropout.factors(3, kKeys, 33).equal(factors.narrow(1, 0, 33)));
  for (const Dropout& other : {Dropout(0.5, 2, 2), Dropout(0.5, 1, 3)}) {
    EXPECT_FALSE(other.factors(3, kKeys, 64).equal(factors));
  }
  EXPECT_FALSE(dropout.factors(4, kKeys, 64).equal(factors));
}

TEST(DropoutFactors, OfAttentionDoNotDependOnTheLongestRow) {
  const Dropout dropout(0.5, 1, 2);
  const at::Tensor some = dropout.attention_factors(3, kKeys, 4, 9),
                   more = dropout.attention_factors(3, kKeys, 4, 20);
  EXPECT_TRUE(more.narrow(2, 0, 9).equal(some));
  EXPECT_FALSE(more[0].equal(more[1])) << "heads differ";
}

TEST(DropoutFactors, AreOffAtRateZeroAndHaveNoRateOfOne) {
  EXPECT_FALSE(Dropout().is_on());
  EXPECT_FALSE(Dropout(0, 1, 2).is_on());
  EXPECT_THROW(Dropout(1.0, 1, 2), std::exception);
}

struct World {
  ids::IdTable table = random_id_table(300, 5, 3);
  ids::Trie trie = ids::build_trie(table);
  std::vector<OwnedGroup> owned = random_groups(6, 300, 15, 5);
  T5Model model{small_t5(table)};
  World() {
    at::set_num_threads(1);
    model.initialize(11);
  }
  TitleGroup group(size_t i) const {
    return {.title_tokens = owned[i].title_tokens, .tracks = owned[i].tracks, .key = 1000 + i};
  }
  double loss(const std::vector<TitleGroup>& groups, const Dropout& dropout) const {
    return packed_loss(model, pack(groups, table, trie), table, nullptr, dropout).item<double>();
  }
};

TEST(DropoutInTraining, GivesATitleTheSameLossInAnyCompanyAndOrder) {
  const World world;
  const Dropout dropout(0.2, 7, 30);
  std::vector<TitleGroup> groups;
  double separate = 0;
  for (size_t i = 0; i < world.owned.size(); ++i) {
    groups.push_back(world.group(i));
    separate += world.loss({world.group(i)}, dropout);
  }
  EXPECT_NEAR(world.loss(groups, dropout) / separate, 1.0, 1e-5);
  std::reverse(groups.begin(), groups.end());
  EXPECT_NEAR(world.loss(groups, dropout) / separate, 1.0, 1e-5);
}

TEST(DropoutInTraining, DiffersBetweenStepsAndChangesNothingAtRateZero) {
  const World world;
  const std::vector<TitleGroup> groups = {world.group(0), world.group(1)};
  const double plain = world.loss(groups, {});
  EXPECT_EQ(world.loss(groups, Dropout(0, 7, 30)), plain);
  const double one = world.loss(groups, Dropout(0.2, 7, 30)),
               two = world.loss(groups, Dropout(0.2, 7, 31));
  EXPECT_NE(one, plain);
  EXPECT_NE(one, two);
}

// Along random directions: the loss of a step is a smooth function of the weights, what is dropped
// being fixed.
TEST(DropoutInTraining, HasTheGradientOfItsLoss) {
  World world;
  const Dropout dropout(0.3, 7, 30);
  const std::vector<TitleGroup> groups = {world.group(0), world.group(1), world.group(2)};
  const PackedBatch batch = pack(groups, world.table, world.trie);
  packed_loss(world.model, batch, world.table, nullptr, dropout).backward();
  for (Parameter& p : world.model.parameters()) {
    const at::Tensor gradient = p.value.grad();
    const double norm = gradient.norm().item<double>();
    ASSERT_GT(norm, 0) << p.name;
    const at::Tensor direction = gradient / norm, before = p.value.detach().clone();
    const double step = 2e-2 * before.norm().item<double>() / std::sqrt(before.numel());
    const auto loss_at = [&](double distance) {
      const c10::NoGradGuard no_grad;
      p.value.copy_(before + direction * distance);
      return packed_loss(world.model, batch, world.table, nullptr, dropout).item<double>();
    };
    const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
    loss_at(0);
    EXPECT_NEAR(slope / norm, 1.0, 0.05) << p.name;
  }
}

}  // namespace
}  // namespace tutti::trainer
