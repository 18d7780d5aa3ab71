#include "trainer/trainer.h"

#include <cmath>

#include <gtest/gtest.h>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"
#include "tests/support/relative_difference.h"
#include "tests/trainer/small_runs.h"
#include "trainer/model_io.h"

namespace tutti::trainer {
namespace {

using TrainerTest = SmallRuns;

TEST_F(TrainerTest, OneStepOfAnyRanksAndMicroBatchesHasTheGradientOfOneRank) {
  const std::vector<double> one = gradient_of(1, kData);
  for (const auto& [num_ranks, micro_batch] : {std::pair(3, 0), {1, 2}, {2, 1}, {1, 3}}) {
    TrainingDataOptions data_options = kData;
    data_options.micro_batch = micro_batch;
    EXPECT_LE(relative_difference(gradient_of(num_ranks, data_options), one), 1e-5)
        << num_ranks << " ranks, micro-batches of " << micro_batch;
  }
}

TEST_F(TrainerTest, RunsWithMicroBatchesHaveTheSameLosses) {
  TrainingDataOptions by_two = kData;
  by_two.micro_batch = 2;
  const Outcome whole = train(1, 8), parts = train(2, 8, /*zero=*/false, by_two);
  for (size_t i = 0; i < 8; ++i)
    EXPECT_NEAR(parts.losses[i] / whole.losses[i], 1.0, 1e-4) << "step " << i;
}

TEST_F(TrainerTest, RunsOfOneAndThreeRanksHaveTheSameLosses) {
  const Outcome one = train(1, 8), three = train(3, 8);
  ASSERT_EQ(one.losses.size(), 8U);
  ASSERT_EQ(three.losses.size(), 8U);
  for (size_t i = 0; i < 8; ++i)
    EXPECT_NEAR(three.losses[i] / one.losses[i], 1.0, 1e-4) << "step " << i;
}

TEST_F(TrainerTest, DropoutIsTheSameForAnyRanksAndMicroBatches) {
  TrainingDataOptions by_two = kData;
  by_two.micro_batch = 2;
  const Outcome one = train(1, 8, /*zero=*/false, kData, 0.2),
                three = train(3, 8, /*zero=*/false, kData, 0.2),
                parts = train(2, 8, /*zero=*/false, by_two, 0.2), without = train(1, 8);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(three.losses[i] / one.losses[i], 1.0, 1e-4) << "step " << i;
    EXPECT_NEAR(parts.losses[i] / one.losses[i], 1.0, 1e-4) << "step " << i;
    EXPECT_GT(std::abs(without.losses[i] / one.losses[i] - 1), 1e-3) << "step " << i;
  }
}

TEST_F(TrainerTest, ShardedOptimizerStateEndsWithTheValuesOfDataParallel) {
  const Outcome whole = train(3, 8), sharded = train(3, 8, /*zero=*/true);
  double difference = 0, reference = 0;
  for (size_t i = 0; i < whole.values.size(); ++i) {
    difference += std::pow(whole.values[i] - sharded.values[i], 2);
    reference += std::pow(whole.values[i], 2);
  }
  EXPECT_LE(std::sqrt(difference), 1e-6 * std::sqrt(reference));
  EXPECT_EQ(train(1, 8, /*zero=*/true).values, train(1, 8).values);
}

TEST_F(TrainerTest, ARepeatedRunHasTheSameBytes) {
  const Outcome first = train(2, 5), second = train(2, 5);
  EXPECT_EQ(first.values, second.values);
  EXPECT_EQ(first.losses, second.losses);
}

TEST_F(TrainerTest, ARunWithMoreRanksThanTitlesStillMakesTheSameSteps) {
  const Outcome one = train(1, 2), nine = train(9, 2);
  EXPECT_NEAR(nine.losses[1] / one.losses[1], 1.0, 1e-4);
}

TEST_F(TrainerTest, LearnsTheTracksOfATitle) {
  const Outcome out = train(1, 60);
  EXPECT_LT(out.losses.back(), out.losses.front() - 0.5);
}

TEST_F(TrainerTest, AStoppedAndResumedRunEndsWithTheSameBytesAsOneThatWentThrough) {
  const std::unique_ptr<Communicator> comm = make_single_communicator();
  const Outcome through = train(1, 10);

  Outcome out;
  {
    T5Model model(config_);
    model.initialize(2);
    GradientReducer reducer = reducer_of(model, *comm);
    AdamW optimizer(model, {});
    TrainingData data(set_.dataset(), set_.tokenizer(), table_, kData);
    int64_t steps_seen = 0;
    TrainerHooks hooks = recording(out);
    hooks.stop_requested = [&] { return ++steps_seen == 6; };
    hooks.checkpoint = [&](const TrainState& state) {
      checkpoints::CheckpointStore(set_.path_of("run"))
          .save(state.step,
                {.model = parameters_as_tensors(model),
                 .optimizer = optimizer_as_tensors(optimizer),
                 .state = {{"step", state.step}, {"progress", to_json(state)}},
                 .files = {},
                 .made_from = {}},
                2);
    };
    TrainState state;
    EXPECT_EQ(
        Trainer(model, optimizer, reducer, data, table_, *comm, options(10)).run(state, hooks),
        TrainEnd::kStopped);
  }
  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(set_.path_of("run"));
  ASSERT_EQ(checkpoint.state.at("step"), 6);
  T5Model model(config_);
  GradientReducer reducer = reducer_of(model, *comm);
  AdamW optimizer(model, {});
  load_parameters(model, checkpoint.model);
  load_optimizer(optimizer, checkpoint.optimizer(), 6);
  TrainingData data(set_.dataset(), set_.tokenizer(), table_, kData);
  TrainState state = train_state_from_json(checkpoint.state.at("progress"), "state.json");
  EXPECT_EQ(Trainer(model, optimizer, reducer, data, table_, *comm, options(10))
                .run(state, recording(out)),
            TrainEnd::kDone);
  EXPECT_EQ(copy_of(model.flat_values()), through.values);
  EXPECT_EQ(out.losses, through.losses);
}

TEST_F(TrainerTest, ACheckpointOfAnotherShapeIsRefusedByName) {
  T5Model model(config_);
  AdamW optimizer(model, {});
  checkpoints::CheckpointStore(set_.path_of("run"))
      .save(1,
            {.model = parameters_as_tensors(model),
             .optimizer = optimizer_as_tensors(optimizer),
             .state = {{"step", 1}},
             .files = {},
             .made_from = {}},
            1);
  config_.d_ff = 48;
  T5Model other(config_);
  try {
    load_parameters(other, checkpoints::open_checkpoint(set_.path_of("run")).model);
    FAIL() << "a wrong shape was loaded";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("DenseReluDense.wi_0.weight"), std::string::npos)
        << error.what();
  }
}

TEST_F(TrainerTest, StopsAllRanksAtTheStepInWhichOneWasAsked) {
  std::vector<int64_t> last_checkpoint(3, 0);
  run_ranks(3, [&](Communicator& comm) {
    Outcome ignored;
    TrainerHooks hooks = recording(ignored);
    int64_t steps = 0;
    hooks.checkpoint = [&](const TrainState& s) { last_checkpoint[comm.rank()] = s.step; };
    hooks.stop_requested = [&] { return ++steps == 3 && comm.rank() == 1; };
    EXPECT_EQ(run_of(comm, options(50), hooks).end, TrainEnd::kStopped);
  });
  EXPECT_EQ(last_checkpoint, std::vector<int64_t>(3, 3));
}

// Validations whose results are given: when each is made, what is kept, and when the run ends.
TEST_F(TrainerTest, EndsAfterSoManyValidationsWithoutANewBestAndKeepsTheBest) {
  std::vector<std::vector<int64_t>> validated(2), best(2);
  run_ranks(2, [&](Communicator& comm) {
    const std::vector<double> hits = {0.5, 0.8, 0.7, 0.9, 0.9, 0.3, 1.0};
    Outcome ignored;
    TrainerHooks hooks = recording(ignored);
    auto& mine = validated[comm.rank()];
    hooks.validate = [&](const TrainState& s) {
      mine.push_back(s.step);
      return hits[mine.size() - 1];
    };
    hooks.new_best = [&](const TrainState& s) { best[comm.rank()].push_back(s.step); };
    int64_t last_checkpoint = 0;
    hooks.checkpoint = [&](const TrainState& s) { last_checkpoint = s.step; };
    TrainerOptions o = options(50);
    o.validate_every = 3;
    o.patience = 2;
    const Run run = run_of(comm, o, hooks);
    EXPECT_EQ(run.end, TrainEnd::kNoLongerBetter);
    EXPECT_EQ(run.state.best_step, 12);
    EXPECT_EQ(run.state.best_hits, 0.9);
    EXPECT_EQ(last_checkpoint, 18) << "the state in which the run ended is kept";
  });
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(validated[rank], (std::vector<int64_t>{3, 6, 9, 12, 15, 18}));
    EXPECT_EQ(best[rank], (std::vector<int64_t>{3, 6, 12}));
  }
}

TEST_F(TrainerTest, ValidatesBehindTheLastStepToo) {
  const std::unique_ptr<Communicator> comm = make_single_communicator();
  Outcome ignored;
  TrainerHooks hooks = recording(ignored);
  std::vector<int64_t> validated;
  hooks.validate = [&](const TrainState& s) {
    validated.push_back(s.step);
    return 0.0;
  };
  TrainerOptions o = options(5);
  o.validate_every = 3;
  EXPECT_EQ(run_of(*comm, o, hooks).end, TrainEnd::kDone);
  EXPECT_EQ(validated, (std::vector<int64_t>{3, 5}));
}

}  // namespace
}  // namespace tutti::trainer
