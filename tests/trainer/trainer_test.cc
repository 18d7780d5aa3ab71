#include "trainer/trainer.h"

#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"
#include "tests/support/thread_communicator.h"
#include "tests/trainer/small_training_set.h"
#include "trainer/loss.h"
#include "trainer/model_io.h"

namespace tutti::trainer {
namespace {

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    config_ = small_t5(table_);
    config_.text_rows = set_.tokenizer().num_pieces();
  }

  static TrainerOptions options(int64_t steps) {
    TrainerOptions o;
    o.learning_rate = {.peak = 3e-3, .warmup_steps = 3, .total_steps = steps};
    o.checkpoint_every = 4;
    return o;
  }
  static constexpr TrainingDataOptions kData = {.titles_per_step = 7, .window = 16, .seed = 4};

  struct Outcome {
    std::vector<float> values;
    std::vector<double> losses;
  };
  static std::vector<float> copy_of(const at::Tensor& t) {
    return {t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel()};
  }
  static TrainerHooks recording(Outcome& out) {
    return {.report = [&out](const StepReport& r) { out.losses.push_back(r.loss); },
            .checkpoint = [](const TrainState&) {},
            .validate = [](const TrainState&) { return 0.0; },
            .new_best = [](const TrainState&) {},
            .stop_requested = [] { return false; }};
  }

  static GradientReducer reducer_of(T5Model& model, Communicator& comm, bool zero = false) {
    return {model.parameters(),
            {model.flat_values(), model.flat_grads(), model.num_decay_elements()},
            comm,
            {.bucket_elements = 1000, .zero = zero}};
  }

  // A whole run on `num_ranks` ranks; all ranks must end with the same values.
  Outcome train(int num_ranks, int64_t steps, bool zero = false,
                const TrainingDataOptions& data_options = kData, double dropout = 0) {
    std::vector<Outcome> outcomes(num_ranks);
    run_ranks(num_ranks, [&](Communicator& comm) {
      Outcome& out = outcomes[comm.rank()];
      T5Model model(config_);
      model.initialize(2);
      GradientReducer reducer = reducer_of(model, comm, zero);
      AdamW optimizer(model, {}, reducer.owned());
      const data::Dataset own = set_.open();
      TrainingData data(own, set_.tokenizer(), table_, data_options);
      TrainState state;
      TrainerOptions o = options(steps);
      o.dropout = dropout;
      Trainer(model, optimizer, reducer, data, table_, comm, o).run(state, recording(out));
      EXPECT_EQ(state.step, steps);
      out.values = copy_of(model.flat_values());
    });
    for (const Outcome& out : outcomes) EXPECT_EQ(out.values, outcomes[0].values);
    return outcomes[0];
  }

  // The gradient of one step, summed over ranks and micro-batches.
  std::vector<double> gradient_of(int num_ranks, const TrainingDataOptions& data_options) {
    std::vector<double> sum;
    TrainingData data(set_.dataset(), set_.tokenizer(), table_, data_options);
    TrainingData::Step step;
    int64_t pairs = 0;
    for (int rank = 0; rank < num_ranks; ++rank) {
      T5Model model(config_);
      model.initialize(2);
      data.make_step(5, rank, num_ranks, step);
      for (const PackedBatch& batch : step.micro_batches()) {
        if (data_options.micro_batch > 0) {
          EXPECT_LE(batch.num_titles, data_options.micro_batch);
        }
        pairs += batch.num_pairs;
        (packed_loss(model, batch, table_) / step.weight).backward();
      }
      sum.resize(model.flat_grads().numel(), 0.0);
      const std::vector<float> grads = copy_of(model.flat_grads());
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += grads[i];
    }
    EXPECT_EQ(pairs, step.pairs) << "a pair was lost or trained twice";
    return sum;
  }

  struct Run {
    TrainEnd end;
    TrainState state;
    int64_t updates;  // that the optimizer made
  };
  Run run_of(Communicator& comm, const TrainerOptions& o, const TrainerHooks& hooks,
             T5Model& model) {
    GradientReducer reducer = reducer_of(model, comm);
    AdamW optimizer(model, {}, reducer.owned());
    const data::Dataset own = set_.open();
    TrainingData data(own, set_.tokenizer(), table_, kData);
    TrainState state;
    const TrainEnd end =
        Trainer(model, optimizer, reducer, data, table_, comm, o).run(state, hooks);
    return {end, state, optimizer.num_steps()};
  }
  Run run_of(Communicator& comm, const TrainerOptions& o, const TrainerHooks& hooks) {
    T5Model model(config_);
    model.initialize(2);
    return run_of(comm, o, hooks, model);
  }

  // A run in which the gradient of one parameter of rank 1 is spoiled on its way back, in the first
  // `times` backward passes behind step 2.
  std::vector<StepReport> with_a_spoiled_gradient(Communicator& comm, int64_t steps, int times) {
    T5Model model(config_);
    model.initialize(2);
    std::vector<StepReport> reports;
    int left = 0;
    model.find("encoder.final_layer_norm.weight")
        ->value.register_hook([&left](const at::Tensor& gradient) {
          return left-- > 0 ? gradient * std::numeric_limits<float>::infinity() : gradient;
        });
    Outcome ignored;
    TrainerHooks hooks = recording(ignored);
    hooks.report = [&](const StepReport& r) {
      reports.push_back(r);
      if (r.step == 2 && comm.rank() == 1) left = times;
    };
    TrainerOptions o = options(steps);
    o.non_finite = NonFinite::kSkip;
    run_of(comm, o, hooks, model);
    return reports;
  }

  static double relative_difference(const std::vector<double>& found,
                                    const std::vector<double>& reference) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < reference.size(); ++i) {
      difference += std::pow(found[i] - reference[i], 2);
      size += std::pow(reference[i], 2);
    }
    return std::sqrt(difference / size);
  }

  SmallTrainingSet set_;
  const ids::IdTable& table_ = set_.table();
  T5Config config_;
};

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

// Rank 1 spoils its parameters before steps 2 and 3 and heals them behind step 3: both ranks must
// skip the same steps.
TEST_F(TrainerTest, SkipsTheSameNotFiniteStepsOnAllRanksAndGoesOn) {
  std::vector<std::vector<bool>> skipped(2);
  std::vector<TrainState> states(2);
  run_ranks(2, [&](Communicator& comm) {
    T5Model model(config_);
    model.initialize(2);
    const float healthy = model.flat_values()[3].item<float>();
    Outcome ignored;
    TrainerHooks hooks = recording(ignored);
    hooks.report = [&](const StepReport& r) {
      skipped[comm.rank()].push_back(r.skipped);
      if (r.skipped) {
        EXPECT_FALSE(std::isfinite(r.loss) && std::isfinite(r.grad_norm));
        EXPECT_EQ(r.not_finite, "the loss of rank 1");
        EXPECT_EQ(r.not_finite_phase, "loss");
        EXPECT_EQ(r.not_finite_rank, 1);
      }
      if (comm.rank() != 1) return;
      if (r.step == 2) model.flat_values()[3] = std::numeric_limits<float>::quiet_NaN();
      if (r.step == 4) model.flat_values()[3] = healthy;
    };
    TrainerOptions o = options(6);
    o.non_finite = NonFinite::kSkip;
    const Run run = run_of(comm, o, hooks, model);
    EXPECT_EQ(run.end, TrainEnd::kDone);
    EXPECT_EQ(run.updates, 4);
    states[comm.rank()] = run.state;
  });
  EXPECT_EQ(skipped[0], (std::vector<bool>{false, false, true, true, false, false}));
  EXPECT_EQ(skipped[1], skipped[0]);
  EXPECT_EQ(states[0].skipped, 2);
  EXPECT_EQ(states[0].skipped_in_a_row, 0);
  EXPECT_EQ(states[0], states[1]);
}

TEST_F(TrainerTest, TracesAGradientThatIsNotFiniteToRankAndParameter) {
  run_ranks(2, [&](Communicator& comm) {
    const std::vector<StepReport> reports = with_a_spoiled_gradient(comm, 6, 2);
    ASSERT_EQ(reports.size(), 6U);
    for (const StepReport& r : reports) EXPECT_EQ(r.skipped, r.step == 3);
    const StepReport& bad = reports[2];
    EXPECT_TRUE(std::isfinite(bad.loss));
    EXPECT_EQ(bad.not_finite, "the gradient of rank 1 (encoder.final_layer_norm.weight)");
    EXPECT_EQ(bad.not_finite_phase, "backward");
    EXPECT_EQ(bad.not_finite_rank, 1);
    EXPECT_TRUE(std::isfinite(reports[3].grad_norm)) << "the step after it is as good as any";
  });
}

TEST_F(TrainerTest, SaysThatABadGradientDidNotComeAgain) {
  run_ranks(2, [&](Communicator& comm) {
    const std::vector<StepReport> reports = with_a_spoiled_gradient(comm, 4, 1);
    ASSERT_EQ(reports.size(), 4U);
    EXPECT_TRUE(reports[2].skipped);
    EXPECT_EQ(reports[2].not_finite_phase, "sum");
    EXPECT_EQ(reports[2].not_finite_rank, -1);
    EXPECT_NE(reports[2].not_finite.find("once more"), std::string::npos) << reports[2].not_finite;
  });
}

TEST_F(TrainerTest, StopsAtANotFiniteStepWithACheckpointOfTheStateBeforeIt) {
  const std::unique_ptr<Communicator> comm = make_single_communicator();
  for (const bool skip : {false, true}) {
    T5Model model(config_);
    model.initialize(2);
    Outcome ignored;
    TrainerHooks hooks = recording(ignored);
    int64_t reports = 0;
    hooks.report = [&](const StepReport&) {
      if (++reports == 2) model.flat_values()[3] = std::numeric_limits<float>::quiet_NaN();
    };
    TrainState kept;
    hooks.checkpoint = [&](const TrainState& s) { kept = s; };
    TrainerOptions o = options(20);
    o.checkpoint_every = 100;
    o.non_finite = skip ? NonFinite::kSkip : NonFinite::kStop;
    o.non_finite_limit = 3;
    try {
      run_of(*comm, o, hooks, model);
      FAIL() << "trained on NaN";
    } catch (const NotFiniteError& error) {
      EXPECT_EQ(error.code(), ExitCode::kNotFinite);
      const std::string at = skip ? "step 5:" : "step 3:";
      EXPECT_EQ(std::string(error.what()).find(at), 0U) << error.what();
    }
    EXPECT_EQ(kept.step, skip ? 5 : 2);
    EXPECT_EQ(kept.updates(), 2);
  }
}

}  // namespace
}  // namespace tutti::trainer
