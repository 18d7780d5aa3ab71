#include "trainer/trainer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include "dist/buckets.h"
#include "dist/runtime/errors.h"
#include "trainer/loss.h"

namespace tutti::trainer {
namespace {

using Clock = std::chrono::steady_clock;

// Adds the time since it was made, or since the last lap, to a counter of milliseconds.
class Stopwatch {
 public:
  void lap(double& total_ms) {
    const Clock::time_point now = Clock::now();
    total_ms += std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
  }

 private:
  Clock::time_point last_ = Clock::now();
};

// Sums over the steps since the last report.
struct Interval {
  int64_t steps = 0, pairs = 0, own_pairs = 0, own_nodes = 0;
  double loss = 0, data_ms = 0, model_ms = 0, reduce_ms = 0, update_ms = 0;

  StepReport report(int64_t step, double grad_norm, double learning_rate) const {
    const auto n = static_cast<double>(steps);
    const double total_ms = data_ms + model_ms + reduce_ms + update_ms;
    return {.step = step,
            .loss = loss / n,
            .grad_norm = grad_norm,
            .learning_rate = learning_rate,
            .pairs_per_s = 1e3 * static_cast<double>(pairs) / total_ms,
            .nodes_per_pair = own_pairs == 0
                                  ? 0
                                  : static_cast<double>(own_nodes) / static_cast<double>(own_pairs),
            .step_ms = total_ms / n,
            .data_ms = data_ms / n,
            .model_ms = model_ms / n,
            .reduce_ms = reduce_ms / n,
            .update_ms = update_ms / n};
  }
};

}  // namespace

Trainer::Trainer(T5Model& model, AdamW& optimizer, TrainingData& data, const ids::IdTable& table,
                 Communicator& comm, const TrainerOptions& options)
    : model_(model),
      optimizer_(optimizer),
      data_(data),
      table_(table),
      comm_(comm),
      options_(options) {}

// Leaves the gradient of this rank's share of the step's mean loss in the model's gradient buffer;
// returns that share.
double Trainer::forward_backward(const TrainingData::Step& step) {
  model_.flat_grads().zero_();
  if (step.batch.num_titles == 0) return 0;
  const at::Tensor loss = packed_loss(model_, step.batch, table_) / step.global_weight;
  loss.backward();
  return loss.item<double>();
}

void Trainer::reduce_gradients() {
  if (comm_.size() == 1) return;
  at::Tensor grads = model_.flat_grads();
  auto* data = grads.mutable_data_ptr<float>();
  for (const Range& bucket : make_buckets(grads.numel(), options_.bucket_elements)) {
    comm_.all_reduce_sum(std::span(data + bucket.first, bucket.size()));
  }
}

double Trainer::clip_divisor(double grad_norm) const {
  return options_.clip_norm > 0 ? std::max(1.0, grad_norm / options_.clip_norm) : 1.0;
}

TrainEnd Trainer::run(int64_t first_step, const TrainerHooks& hooks) {
  Interval interval;
  Stopwatch watch;
  for (int64_t step = first_step; step < options_.learning_rate.total_steps; ++step) {
    const TrainingData::Step data = data_.step(step, comm_.rank(), comm_.size());
    watch.lap(interval.data_ms);

    const double own_loss = forward_backward(data);
    watch.lap(interval.model_ms);

    reduce_gradients();
    std::array<double, 2> control = {own_loss, hooks.stop_requested() ? 1.0 : 0.0};
    comm_.all_reduce_sum(control);
    watch.lap(interval.reduce_ms);

    const auto [loss, stop_wishes] = control;
    const double grad_norm = model_.flat_grads().norm().item<double>();
    if (!std::isfinite(loss) || !std::isfinite(grad_norm)) {
      throw NotFiniteError(
          fmt::format("step {}: loss {} and gradient norm {}, expected finite numbers; lower "
                      "--learning-rate, or look at the data of that step",
                      step, loss, grad_norm));
    }
    const double learning_rate = options_.learning_rate.at(step);
    optimizer_.step(learning_rate, clip_divisor(grad_norm));
    watch.lap(interval.update_ms);

    ++interval.steps;
    interval.loss += loss;
    interval.pairs += data.global_pairs;
    interval.own_pairs += data.batch.num_pairs;
    interval.own_nodes += data.batch.num_nodes();
    const int64_t done = step + 1;
    const bool is_last = done == options_.learning_rate.total_steps;
    const bool stop = stop_wishes > 0 && !is_last;
    if (is_last || stop || done % options_.report_every == 0) {
      hooks.report(interval.report(done, grad_norm, learning_rate));
      interval = {};
    }
    if (is_last || stop || done % options_.checkpoint_every == 0) {
      hooks.checkpoint(done);
      watch = {};
    }
    if (stop) return TrainEnd::kStopped;
  }
  return TrainEnd::kDone;
}

}  // namespace tutti::trainer
