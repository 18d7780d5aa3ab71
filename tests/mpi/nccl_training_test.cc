// Training steps whose gradients travel over the NCCL module and its stand-ins: the model runs what
// a CUDA device runs, in host memory.
#include <cmath>
#include <memory>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "dist/nccl_communicator.h"
#include "tests/dist/nccl_standin/standin.h"
#include "tests/mpi/world.h"
#include "tests/trainer/small_training_set.h"
#include "trainer/models/plain_ops.h"
#include "trainer/trainer.h"

namespace tutti::trainer {
namespace {

using test::world;

// What follows a wait on a device is ordered behind it by the compute stream. In host memory the
// host computes, so the host must wait for that stream.
class HostMemoryNccl : public Communicator {
 public:
  explicit HostMemoryNccl(Communicator& inner) : inner_(inner) {}
  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  void all_reduce(void* data, int64_t count, DType type, ReduceOp op) override {
    inner_.all_reduce(data, count, type, op);
  }
  void broadcast(void* data, int64_t num_bytes, int root) override {
    inner_.broadcast(data, num_bytes, root);
  }
  void all_gather_bytes(const void* mine, void* all, std::span<const int64_t> counts) override {
    inner_.all_gather_bytes(mine, all, counts);
  }
  void barrier() override { inner_.barrier(); }
  [[noreturn]] void abort(int exit_code) override {
    inner_.abort(exit_code);
    std::_Exit(exit_code);
  }
  void start_all_reduce_sum(float* data, int64_t count) override {
    inner_.start_all_reduce_sum(data, count);
  }
  void start_reduce_scatter_sum(float* data, std::span<const int64_t> split) override {
    inner_.start_reduce_scatter_sum(data, split);
  }
  void start_all_gather(float* data, std::span<const int64_t> split) override {
    inner_.start_all_gather(data, split);
  }
  void wait_for_bulk() override {
    inner_.wait_for_bulk();
    cudaStreamSynchronize(nullptr);
  }
  BulkTimes take_bulk_times() override { return inner_.take_bulk_times(); }
  void set_step(int64_t step) override { inner_.set_step(step); }

 private:
  Communicator& inner_;
};

struct Outcome {
  std::vector<float> values;
  std::vector<double> losses;
  double busy_ms = 0;
};

Outcome train(const SmallTrainingSet& set, Communicator& comm, bool zero) {
  T5Config config = small_t5(set.table());
  config.text_rows = set.tokenizer().num_pieces();
  T5Model model(config);
  model.initialize(2);
  GradientReducer reducer(model.parameters(),
                          {model.flat_values(), model.flat_grads(), model.num_decay_elements()},
                          comm, {.bucket_elements = 1000, .zero = zero});
  AdamW optimizer(model, {}, reducer.owned());
  const data::Dataset dataset = set.open();
  TrainingData data(dataset, set.tokenizer(), set.table(),
                    {.titles_per_step = 7, .window = 16, .seed = 4});
  TrainerOptions options;
  options.learning_rate = {.peak = 3e-3, .warmup_steps = 3, .total_steps = 6};
  options.dropout = 0.1;
  Outcome out;
  TrainState state;
  Trainer(model, optimizer, reducer, data, set.table(), comm, options)
      .run(state, {.report =
                       [&](const StepReport& r) {
                         out.losses.push_back(r.loss);
                         out.busy_ms += r.exposed_ms + r.hidden_ms;
                       },
                   .checkpoint = [](const TrainState&) {},
                   .validate = [](const TrainState&) { return 0.0; },
                   .new_best = [](const TrainState&) {},
                   .stop_requested = [] { return false; }});
  const at::Tensor values = model.flat_values();
  out.values.assign(values.const_data_ptr<float>(),
                    values.const_data_ptr<float>() + values.numel());
  return out;
}

TEST(NcclTraining, RanksOverNcclEqualOneRankOnTheCpu) {
  at::set_num_threads(1);
  const SmallTrainingSet set;
  const auto single = make_single_communicator();
  const Outcome expected = train(set, *single, false);
  const plain::Forced forced;
  const auto nccl = make_nccl_communicator(
      world(), {.device = world().local_rank(), .module = TUTTI_NCCL_MODULE_PATH});
  HostMemoryNccl comm(*nccl);
  for (const bool zero : {false, true}) {
    standin::clear_calls();
    const Outcome found = train(set, comm, zero);
    ASSERT_EQ(found.losses.size(), expected.losses.size());
    for (size_t i = 0; i < expected.losses.size(); ++i) {
      EXPECT_NEAR(found.losses[i] / expected.losses[i], 1.0, 1e-5) << "step " << i;
    }
    double difference = 0, reference = 0;
    for (size_t i = 0; i < expected.values.size(); ++i) {
      difference += std::pow(found.values[i] - expected.values[i], 2);
      reference += std::pow(expected.values[i], 2);
    }
    EXPECT_LT(std::sqrt(difference / reference), 1e-4);
    int64_t sums = 0, gathers = 0;
    for (const std::string& call : standin::calls()) {
      sums += call.starts_with(zero ? "ncclReduce" : "ncclAllReduce") ? 1 : 0;
      gathers += call.starts_with("ncclAllGather") || call.starts_with("ncclBroadcast") ? 1 : 0;
    }
    if (world().size() > 1) {
      EXPECT_GE(sums, 6 * 10) << "buckets did not travel over NCCL";
      EXPECT_EQ(gathers > 0, zero);
      EXPECT_GT(found.busy_ms, 0);
    }
  }
}

}  // namespace
}  // namespace tutti::trainer
