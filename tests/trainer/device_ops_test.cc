// What a CUDA device runs, on the CPU: whole steps, the optimizer and beams over compositions of
// ATen operators, against the loops that serve the CPU.
#include <cmath>
#include <memory>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/trainer/small_training_set.h"
#include "trainer/decode/generative_ranker.h"
#include "trainer/loss.h"
#include "trainer/models/plain_ops.h"
#include "trainer/optimizer.h"

namespace tutti::trainer {
namespace {

using checkpoints::Softmax;

double relative(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).norm() / expected.norm()).item<double>();
}

class DeviceOps : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    for (const OwnedGroup& g : owned_) groups_.push_back({g.title_tokens, g.tracks});
  }

  T5Model model_of(Softmax softmax, const ComputeOptions& compute = {}) const {
    T5Config config = small_t5(table_);
    config.text_head = softmax == Softmax::kFull;
    T5Model model(config);
    model.initialize(11);
    model.set_compute(compute);
    return model;
  }

  struct Outcome {
    double loss;
    std::vector<double> by_level;
    at::Tensor grads, rows;
  };
  Outcome step(Softmax softmax, bool on_device, const ComputeOptions& compute = {},
               double dropout = 0) const {
    std::unique_ptr<plain::Forced> forced;
    if (on_device) forced = std::make_unique<plain::Forced>();
    T5Model model = model_of(softmax, compute);
    const PackedBatch batch = pack(groups_, table_, trie_, {.softmax = softmax});
    Outcome out;
    const at::Tensor loss =
        packed_loss(model, batch, table_, &out.by_level, Dropout(dropout, 3, 7)) / batch.weight;
    loss.backward();
    out.loss = loss.item<double>();
    out.grads = model.flat_grads();
    out.rows = model.find("shared.weight")->rows->dense();
    return out;
  }

  const ids::IdTable table_ = random_id_table(300, 5, 3);
  const ids::Trie trie_ = ids::build_trie(table_);
  const std::vector<OwnedGroup> owned_ = random_groups(12, 300, 15, 5);
  std::vector<TitleGroup> groups_;
};

class DeviceOpsOfSoftmax : public DeviceOps, public testing::WithParamInterface<Softmax> {};
INSTANTIATE_TEST_SUITE_P(All, DeviceOpsOfSoftmax,
                         testing::Values(Softmax::kLevel, Softmax::kTrie, Softmax::kIds,
                                         Softmax::kFull));

TEST_P(DeviceOpsOfSoftmax, GiveTheLossAndEveryGradientOfTheLoops) {
  for (const double dropout : {0.0, 0.2}) {
    const Outcome expected = step(GetParam(), false, {}, dropout),
                  found = step(GetParam(), true, {}, dropout);
    EXPECT_NEAR(found.loss / expected.loss, 1.0, 1e-5);
    ASSERT_EQ(found.by_level.size(), expected.by_level.size());
    for (size_t level = 0; level < found.by_level.size(); ++level) {
      EXPECT_NEAR(found.by_level[level], expected.by_level[level], 1e-5 * expected.loss * 100);
    }
    EXPECT_LT(relative(found.grads, expected.grads), 1e-5) << dropout;
    EXPECT_LT(relative(found.rows, expected.rows), 1e-5) << dropout;
    EXPECT_FALSE(found.grads.equal(expected.grads)) << "the loops ran again";
  }
}

TEST_F(DeviceOps, GiveTheGradientInBf16AndWithBlocksComputedAgain) {
  const Outcome exact = step(Softmax::kLevel, false);
  const Outcome rounded = step(Softmax::kLevel, true, {.precision = Precision::kBf16});
  EXPECT_LT(relative(rounded.grads, exact.grads), 0.03);
  const Outcome again = step(Softmax::kLevel, true, {.checkpoint_activations = true}, 0.2);
  EXPECT_LT(relative(again.grads, step(Softmax::kLevel, false, {}, 0.2).grads), 1e-5);
}

TEST_F(DeviceOps, TrainAlongTheLoops) {
  struct Run {
    at::Tensor values, rows;
    std::vector<double> losses;
  };
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    const auto train = [&](bool on_device) {
      std::unique_ptr<plain::Forced> forced;
      if (on_device) forced = std::make_unique<plain::Forced>();
      T5Model model = model_of(Softmax::kLevel, {.precision = precision});
      AdamW optimizer(model, {});
      Run run;
      for (int64_t i = 0; i < 12; ++i) {
        const PackedBatch batch = pack(std::span(groups_).subspan(i % 3 * 4, 4), table_, trie_);
        const at::Tensor loss = packed_loss(model, batch, table_) / batch.weight;
        loss.backward();
        run.losses.push_back(loss.item<double>());
        optimizer.step(1e-3, 1.5);
        EXPECT_EQ(model.flat_grads().abs().max().item<double>(), 0);
        EXPECT_TRUE(model.find("shared.weight")->rows->rows().empty());
        EXPECT_EQ(model.find("shared.weight")->rows->dense().abs().max().item<double>(), 0);
      }
      if (precision == Precision::kBf16) {
        EXPECT_TRUE(model.flat_rounded().equal(model.flat_values().to(at::kBFloat16)));
      }
      run.values = model.flat_values();
      run.rows = model.find("shared.weight")->value.detach();
      return run;
    };
    const Run expected = train(false), found = train(true);
    const double tolerance = precision == Precision::kFp32 ? 1e-5 : 2e-2;
    for (size_t i = 0; i < expected.losses.size(); ++i) {
      EXPECT_NEAR(found.losses[i] / expected.losses[i], 1.0, tolerance) << "step " << i;
    }
    EXPECT_LT(relative(found.values, expected.values), tolerance);
    EXPECT_LT(relative(found.rows, expected.rows), tolerance);
  }
}

// One update from equal moments: what Adam divides by a small root must not hide a difference.
TEST_F(DeviceOps, MakeTheAdamWUpdateOfTheLoops) {
  const AdamWFactors factors(1e-2, 0.9, 0.98, 1e-8, 0.1, 2.0, 3);
  const int64_t n = 1000;
  const at::Tensor ramp = at::arange(n, at::kFloat) / n;
  const auto updated = [&](bool on_device) {
    at::Tensor p = ramp.clone(), g = ramp * 3 - 1, m = ramp * 0.1, v = ramp.square() + 1e-3,
               rounded = at::zeros({n}, at::kBFloat16);
    if (on_device) {
      plain::adamw_update(factors, p, g, m, v, rounded);
    } else {
      adamw_update(factors, p.mutable_data_ptr<float>(), g.mutable_data_ptr<float>(),
                   m.mutable_data_ptr<float>(), v.mutable_data_ptr<float>(),
                   rounded.mutable_data_ptr<c10::BFloat16>(), n);
    }
    EXPECT_TRUE(rounded.equal(p.to(at::kBFloat16)));
    EXPECT_EQ(g.abs().max().item<float>(), 0);
    return at::cat({p, m, v});
  };
  EXPECT_LT(relative(updated(true), updated(false)), 1e-6);
}

TEST(DeviceBeams, RankAsOverTheLoops) {
  at::set_num_threads(1);
  const SmallTrainingSet set;
  T5Config config = small_t5(set.table());
  config.text_rows = set.tokenizer().num_pieces();
  T5Model model(config);
  model.initialize(2);
  const ids::Trie trie = ids::build_trie(set.table());
  const std::vector<std::string> titles = {"rain piano", "rock", "sad night run"};
  for (const Softmax softmax : {Softmax::kLevel, Softmax::kTrie, Softmax::kIds}) {
    GenerativeRanker ranker(model, set.tokenizer(), set.table(), trie,
                            {.beam = 20, .softmax = softmax});
    const auto expected = ranker.rank(titles, 10);
    const plain::Forced forced;
    const auto found = ranker.rank(titles, 10);
    for (size_t t = 0; t < titles.size(); ++t) {
      ASSERT_EQ(found[t].size(), expected[t].size());
      for (size_t i = 0; i < found[t].size(); ++i) {
        EXPECT_EQ(found[t][i].track, expected[t][i].track) << titles[t] << " place " << i;
        EXPECT_NEAR(found[t][i].score, expected[t][i].score, 1e-4);
      }
    }
  }
}

}  // namespace
}  // namespace tutti::trainer
