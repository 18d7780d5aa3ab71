#include "trainer/trainer.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "trainer/loss.h"
#include "trainer/not_finite.h"
#include "trainer/prefetcher.h"

namespace tutti::trainer {

Trainer::Trainer(IdModel& model, AdamW& optimizer, GradientReducer& reducer, TrainingData& data,
                 const ids::IdTable& table, Communicator& comm, const TrainerOptions& options)
    : model_(model),
      optimizer_(optimizer),
      reducer_(reducer),
      data_(data),
      table_(table),
      comm_(comm),
      options_(options),
      flops_(model, table) {}

TrainEnd Trainer::run(TrainState& state, const TrainerHooks& hooks) {
  const int64_t total_steps = options_.learning_rate.total_steps;
  Prefetcher prefetcher(data_, state.step, total_steps, comm_.rank(), comm_.size());
  StepClock clock;
  while (state.step < total_steps) {
    clock.start();
    const TrainingData::Step& step = prefetcher.next();
    StepReport report = {.step = step.index + 1,
                         .epoch = step.epoch,
                         .learning_rate = options_.learning_rate.at(step.index),
                         .pairs = step.pairs,
                         .nodes = step.nodes,
                         .tokens = step.nodes + step.title_tokens,
                         .imbalance = step.imbalance,
                         .num_micro_batches = step.num_micro_batches};
    report.data_ms = clock.lap_ms();

    StepSums sums = forward_backward(step, Gradient::kForAllRanks);
    const bool is_own_loss_bad = !std::isfinite(sums.loss);
    report.model_ms = clock.lap_ms();

    sums.stop_wishes = hooks.stop_requested() ? 1 : 0;
    if (hooks.save_progress) sums.saves = hooks.save_progress();
    reducer_.finish();
    sum_over_ranks(sums);
    report.loss = sums.loss;
    report.level_loss = sums.level_loss;
    report.flops = sums.flops;
    report.grad_norm = reducer_.grad_norm();
    report.reduce_ms = clock.lap_ms();

    // Of sums that are equal on all ranks: all decide alike.
    report.skipped = !std::isfinite(report.loss) || !std::isfinite(report.grad_norm);
    if (report.skipped) trace_not_finite(report, step, is_own_loss_bad, sums);
    if (report.skipped && options_.non_finite == NonFinite::kStop) give_up(state, report, hooks);
    if (!report.skipped) update(report.learning_rate, report.grad_norm);
    report.update_ms = clock.lap_ms();
    report.cpu_ms = clock.cpu_ms();

    state.step = report.step;
    state.skipped += report.skipped ? 1 : 0;
    state.skipped_in_a_row = report.skipped ? state.skipped_in_a_row + 1 : 0;
    finish_report(report);
    hooks.report(report);
    if (hooks.saves_agreed) hooks.saves_agreed(sums.saves);
    if (state.skipped_in_a_row >= options_.non_finite_limit) give_up(state, report, hooks);

    const bool is_last = state.step == total_steps;
    const bool stop = sums.stop_wishes > 0 && !is_last;
    const bool validates =
        options_.validate_every > 0 && (is_last || state.step % options_.validate_every == 0);
    const bool is_over = validates && !validate(state, hooks);
    const bool thaws = state.step == options_.thaw_at && !is_last;
    if (is_last || stop || is_over || thaws || state.step % options_.checkpoint_every == 0)
      hooks.checkpoint(state);
    if (is_over && !is_last) return TrainEnd::kNoLongerBetter;
    if (stop) return TrainEnd::kStopped;
    if (thaws) return TrainEnd::kThaw;
  }
  return TrainEnd::kDone;
}

// Leaves the gradient of this rank's share of the step's mean loss in the model's gradient buffer:
// for all ranks, on its way to the sum already.
Trainer::StepSums Trainer::forward_backward(const TrainingData::Step& step, Gradient gradient) {
  const bool travels = gradient == Gradient::kForAllRanks;
  if (!gradients_are_zero_) model_.zero_gradients();
  gradients_are_zero_ = false;
  StepSums own{.level_loss = std::vector<double>(table_.id_length(), 0.0)};
  const Dropout dropout(options_.dropout, options_.dropout_seed, step.index);
  const auto micro_batches = step.micro_batches();
  if (travels && micro_batches.empty()) reducer_.begin_last_backward(step.index);
  for (const PackedBatch& batch : micro_batches) {
    std::vector<double> by_level;
    const at::Tensor loss = packed_loss(model_, batch, table_, &by_level, dropout) / step.weight;
    if (travels && &batch == &micro_batches.back()) reducer_.begin_last_backward(step.index);
    loss.backward();
    own.loss += loss.item<double>();
    own.flops += flops_.of(batch);
    for (size_t level = 0; level < by_level.size(); ++level)
      own.level_loss[level] += by_level[level] / step.weight;
  }
  return own;
}

void Trainer::sum_over_ranks(StepSums& sums) {
  std::vector<double> all = {sums.loss,     sums.flops,    sums.stop_wishes,
                             sums.saves[0], sums.saves[1], std::isfinite(sums.loss) ? 0.0 : 1.0};
  const auto num_sums = std::ssize(all);
  all.insert(all.end(), sums.level_loss.begin(), sums.level_loss.end());
  comm_.all_reduce_sum(all);
  sums.loss = all[0];
  sums.flops = all[1];
  sums.stop_wishes = all[2];
  sums.saves = {all[3], all[4]};
  sums.bad_losses = all[5];
  std::copy(all.begin() + num_sums, all.end(), sums.level_loss.begin());
}

// All ranks come here in the same step.
void Trainer::trace_not_finite(StepReport& report, const TrainingData::Step& step,
                               bool is_own_loss_bad, const StepSums& sums) {
  NotFinitePlace place;
  if (sums.bad_losses > 0) {
    place = place_of_bad_loss(comm_, is_own_loss_bad);
  } else {
    forward_backward(step, Gradient::kForThisRank);
    place = place_of_bad_gradient(comm_, model_.parameters());
  }
  report.not_finite = place.text;
  report.not_finite_phase = place.phase;
  report.not_finite_rank = place.rank;
}

void Trainer::update(double learning_rate, double grad_norm) {
  const double divisor =
      options_.clip_norm > 0 ? std::max(1.0, grad_norm / options_.clip_norm) : 1.0;
  optimizer_.step(learning_rate, divisor);
  const bool others_updated = reducer_.gather_values();
  if (others_updated) model_.round_weights();
  gradients_are_zero_ = !others_updated;  // AdamW leaves those that it owns so
}

void Trainer::finish_report(StepReport& report) {
  report.step_ms = report.data_ms + report.model_ms + report.reduce_ms + report.update_ms;
  const BulkTimes times = reducer_.take_times();
  report.exposed_ms = times.exposed_ms;
  report.hidden_ms = std::max(0.0, times.busy_ms - times.exposed_ms);
  report.peak_memory_bytes = peak_memory_bytes();
}

// The parameters are as the last good step left them.
void Trainer::give_up(const TrainState& state, const StepReport& report,
                      const TrainerHooks& hooks) {
  hooks.checkpoint(state);
  if (hooks.finish_saving) hooks.finish_saving();
  throw NotFiniteError(fmt::format(
      "step {}: loss {} and gradient norm {} (first: {}), expected finite numbers "
      "({} such steps in a row); the checkpoint of step {} holds the last good parameters; lower "
      "--learning-rate, or look at the data of that step",
      report.step, report.loss, report.grad_norm, report.not_finite,
      std::max<int64_t>(state.skipped_in_a_row, 1), state.step));
}

// False when the run should end.
bool Trainer::validate(TrainState& state, const TrainerHooks& hooks) {
  const double hits = hooks.validate(state);
  if (hits > state.best_hits) {
    state.best_hits = hits;
    state.best_step = state.step;
    state.validations_since_best = 0;
    hooks.new_best(state);
  } else {
    ++state.validations_since_best;
  }
  return options_.patience == 0 || state.validations_since_best < options_.patience;
}

}  // namespace tutti::trainer
