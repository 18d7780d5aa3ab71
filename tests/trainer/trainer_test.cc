#include "trainer/trainer.h"

#include <unistd.h>

#include <filesystem>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "checkpoints/checkpoint_store.h"
#include "data/dataset_writer.h"
#include "dist/runtime/errors.h"
#include "tests/support/thread_communicator.h"
#include "tests/trainer/small_world.h"
#include "trainer/loss.h"
#include "trainer/model_io.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kTracks = 300;
constexpr int64_t kPlaylists = 60;

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("tutti_trainer_" + std::to_string(::getpid()) +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    data::DatasetOptions options;
    options.split = {.unseen_titles = 0, .held_out = 0};
    data::DatasetWriter writer(folder_ / "dataset", options, {}, /*overwrite=*/false);
    for (int64_t t = 0; t < kTracks; ++t) {
      const std::string key = "t" + std::to_string(t);
      data::TrackRow row;
      row.key = key;
      writer.add_track(row);
    }
    const std::vector<std::string> words = {"rain", "piano", "rock", "night",
                                            "run",  "sad",   "happy"};
    for (int64_t p = 0; p < kPlaylists; ++p) {
      Rng rng(9, Purpose::kTest, p);
      std::vector<int32_t> tracks;
      const int64_t base =
          static_cast<int64_t>(p % std::ssize(words)) * 40;  // a title's words say which tracks
      for (int64_t t = 0; t < 5 + p % 20; ++t)
        tracks.push_back(static_cast<int32_t>(base + rng.below(40)));
      writer.add_playlist("p" + std::to_string(p),
                          words[p % words.size()] + " " + words[rng.below(7)], tracks);
    }
    writer.finish();
    dataset_.emplace(data::Dataset::open(folder_ / "dataset"));
    tokenizer_.emplace(data::Tokenizer::from_bytes(
        train_title_vocabulary(*dataset_, {.num_pieces = 320}), "test"));
    config_ = small_t5(table_);
    config_.text_rows = tokenizer_->num_pieces();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static TrainerOptions options(int64_t steps) {
    TrainerOptions o;
    o.learning_rate = {.peak = 3e-3, .warmup_steps = 3, .total_steps = steps};
    o.bucket_elements = 1000;
    o.report_every = 1;
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
  TrainerHooks recording(Outcome& out) const {
    return {.report = [&out](const StepReport& r) { out.losses.push_back(r.loss); },
            .checkpoint = [](int64_t) {},
            .stop_requested = [] { return false; }};
  }

  // A whole run on `num_ranks` ranks; all ranks must end with the same values.
  Outcome train(int num_ranks, int64_t steps) {
    std::vector<Outcome> outcomes(num_ranks);
    run_ranks(num_ranks, [&](Communicator& comm) {
      Outcome& out = outcomes[comm.rank()];
      T5Model model(config_);
      model.initialize(2);
      AdamW optimizer(model, {});
      const data::Dataset own = data::Dataset::open(folder_ / "dataset");
      TrainingData data(own, *tokenizer_, table_, kData);
      Trainer(model, optimizer, data, table_, comm, options(steps)).run(0, recording(out));
      out.values = copy_of(model.flat_values());
    });
    for (const Outcome& out : outcomes) EXPECT_EQ(out.values, outcomes[0].values);
    return outcomes[0];
  }

  ids::IdTable table_ = random_id_table(kTracks, 5, 3);
  std::filesystem::path folder_;
  std::optional<data::Dataset> dataset_;
  std::optional<data::Tokenizer> tokenizer_;
  T5Config config_;
};

TEST_F(TrainerTest, OneStepOfThreeRanksHasTheLossAndGradientOfOneRank) {
  const std::unique_ptr<Communicator> single = make_single_communicator();
  const auto gradient_of = [&](int num_ranks) {
    std::vector<double> sum;
    TrainingData data(*dataset_, *tokenizer_, table_, kData);
    int64_t pairs = 0;
    for (int rank = 0; rank < num_ranks; ++rank) {
      T5Model model(config_);
      model.initialize(2);
      const TrainingData::Step step = data.step(5, rank, num_ranks);
      pairs += step.batch.num_pairs;
      (packed_loss(model, step.batch, table_) / step.global_weight).backward();
      sum.resize(model.flat_grads().numel(), 0.0);
      const std::vector<float> grads = copy_of(model.flat_grads());
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += grads[i];
      EXPECT_EQ(step.global_pairs, data.step(5, 0, 1).batch.num_pairs);
    }
    EXPECT_EQ(pairs, data.step(5, 0, 1).batch.num_pairs) << "a pair was lost or trained twice";
    return sum;
  };
  const std::vector<double> one = gradient_of(1), three = gradient_of(3);
  double difference = 0, reference = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    difference += (one[i] - three[i]) * (one[i] - three[i]);
    reference += one[i] * one[i];
  }
  EXPECT_LE(std::sqrt(difference), 1e-5 * std::sqrt(reference));
}

TEST_F(TrainerTest, RunsOfOneAndThreeRanksHaveTheSameLosses) {
  const Outcome one = train(1, 8), three = train(3, 8);
  ASSERT_EQ(one.losses.size(), 8U);
  ASSERT_EQ(three.losses.size(), 8U);
  for (size_t i = 0; i < 8; ++i)
    EXPECT_NEAR(three.losses[i] / one.losses[i], 1.0, 1e-4) << "step " << i;
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
    AdamW optimizer(model, {});
    TrainingData data(*dataset_, *tokenizer_, table_, kData);
    int64_t steps_seen = 0;
    TrainerHooks hooks = recording(out);
    hooks.stop_requested = [&] { return ++steps_seen == 6; };
    hooks.checkpoint = [&](int64_t step) {
      checkpoints::CheckpointStore(folder_ / "run")
          .save(step,
                {.model = parameters_as_tensors(model),
                 .optimizer = optimizer_as_tensors(optimizer),
                 .state = {{"step", step}},
                 .files = {},
                 .made_from = {}},
                2);
    };
    EXPECT_EQ(Trainer(model, optimizer, data, table_, *comm, options(10)).run(0, hooks),
              TrainEnd::kStopped);
  }
  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(folder_ / "run");
  ASSERT_EQ(checkpoint.state.at("step"), 6);
  T5Model model(config_);
  AdamW optimizer(model, {});
  load_parameters(model, checkpoint.model);
  load_optimizer(optimizer,
                 checkpoints::SafetensorsFile::open(checkpoint.path / "optimizer.safetensors"), 6);
  TrainingData data(*dataset_, *tokenizer_, table_, kData);
  EXPECT_EQ(Trainer(model, optimizer, data, table_, *comm, options(10)).run(6, recording(out)),
            TrainEnd::kDone);
  EXPECT_EQ(copy_of(model.flat_values()), through.values);
  EXPECT_EQ(out.losses, through.losses);
}

TEST_F(TrainerTest, ACheckpointOfAnotherShapeIsRefusedByName) {
  T5Model model(config_);
  AdamW optimizer(model, {});
  checkpoints::CheckpointStore(folder_ / "run")
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
    load_parameters(other, checkpoints::open_checkpoint(folder_ / "run").model);
    FAIL() << "a wrong shape was loaded";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("DenseReluDense.wi_0.weight"), std::string::npos)
        << error.what();
  }
}

TEST_F(TrainerTest, StopsAllRanksAtTheStepInWhichOneWasAsked) {
  std::vector<int64_t> last_checkpoint(3, 0);
  run_ranks(3, [&](Communicator& comm) {
    T5Model model(config_);
    model.initialize(2);
    AdamW optimizer(model, {});
    const data::Dataset own = data::Dataset::open(folder_ / "dataset");
    TrainingData data(own, *tokenizer_, table_, kData);
    int64_t steps = 0;
    const TrainerHooks hooks = {
        .report = [](const StepReport&) {},
        .checkpoint = [&](int64_t step) { last_checkpoint[comm.rank()] = step; },
        .stop_requested = [&] { return ++steps == 3 && comm.rank() == 1; }};
    EXPECT_EQ(Trainer(model, optimizer, data, table_, comm, options(50)).run(0, hooks),
              TrainEnd::kStopped);
  });
  EXPECT_EQ(last_checkpoint, std::vector<int64_t>(3, 3));
}

TEST_F(TrainerTest, EndsWithNotFiniteNamingTheStep) {
  const std::unique_ptr<Communicator> comm = make_single_communicator();
  T5Model model(config_);
  model.initialize(2);
  model.flat_values()[3] = std::numeric_limits<float>::quiet_NaN();
  AdamW optimizer(model, {});
  TrainingData data(*dataset_, *tokenizer_, table_, kData);
  Outcome out;
  try {
    Trainer(model, optimizer, data, table_, *comm, options(5)).run(0, recording(out));
    FAIL() << "trained on NaN";
  } catch (const NotFiniteError& error) {
    EXPECT_EQ(error.code(), ExitCode::kNotFinite);
    EXPECT_NE(std::string(error.what()).find("step "), std::string::npos);
  }
}

TEST_F(TrainerTest, EveryEpochTrainsEveryPlaylistOnceAtAnyWorldSize) {
  TrainingData data(*dataset_, *tokenizer_, table_,
                    {.titles_per_step = 6, .window = 16, .seed = 4});
  int64_t pairs = 0;
  for (int64_t step = 0; step < kPlaylists / 6; ++step) {
    for (int rank = 0; rank < 2; ++rank) pairs += data.step(step, rank, 2).batch.num_pairs;
  }
  EXPECT_EQ(pairs, dataset_->num_entries());
}

}  // namespace
}  // namespace tutti::trainer
