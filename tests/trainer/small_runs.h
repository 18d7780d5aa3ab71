#pragma once

#include <cstdint>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "tests/support/thread_communicator.h"
#include "tests/trainer/small_training_set.h"
#include "trainer/loss.h"
#include "trainer/trainer.h"

namespace tutti::trainer {

// Runs of a small model over a small training set, on ranks that are threads.
class SmallRuns : public testing::Test {
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

  SmallTrainingSet set_;
  const ids::IdTable& table_ = set_.table();
  T5Config config_;
};

}  // namespace tutti::trainer
