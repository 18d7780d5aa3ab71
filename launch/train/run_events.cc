#include "launch/train/run_events.h"

namespace tutti::launch {

using Phase = Watchdog::Phase;

trainer::TrainerHooks RunEvents::hooks() {
  return {.report = [this](const trainer::StepReport& step) { report(step); },
          .checkpoint = [this](const trainer::TrainState& at) { begin_checkpoint(at); },
          .save_progress = [this] { return parts_.saver.progress(); },
          .saves_agreed = [this](const RunSaver::Progress& sum) { saves_agreed(sum); },
          .finish_saving = [this] { finish_saving(); },
          .validate = [this](const trainer::TrainState& at) { return validate(at); },
          .new_best = [this](const trainer::TrainState& at) { parts_.saver.save_best(at); },
          .stop_requested =
              [this] {
                stop_reason_ = parts_.stop.reason();
                return !stop_reason_.empty();
              }};
}

void RunEvents::report(const trainer::StepReport& step) {
  parts_.watch.enter(Phase::kStep, step.step + 1);
  parts_.watch.step_done(step.step);
  parts_.log.step(step);
  parts_.stragglers.step(step);
  parts_.stop.note_step(step);
}

void RunEvents::begin_checkpoint(const trainer::TrainState& at) {
  parts_.watch.enter(Phase::kCheckpoint, at.step);
  saving_since_ = std::chrono::steady_clock::now();
  parts_.saver.start(at);
  parts_.watch.enter(Phase::kStep, at.step + 1);
}

void RunEvents::saves_agreed(const RunSaver::Progress& sum) {
  const bool all_shards_are_written = sum[0] >= parts_.comm.size();
  if (all_shards_are_written) {
    parts_.stop.note_checkpoint(std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - saving_since_));
  }
  parts_.saver.agree(sum);
}

void RunEvents::finish_saving() {
  parts_.watch.enter(Phase::kCheckpoint, parts_.watch.last_step());
  parts_.saver.finish();
}

double RunEvents::validate(const trainer::TrainState& at) {
  parts_.watch.enter(Phase::kValidation, at.step);
  const trainer::Validation validation = parts_.validation.value().run(parts_.comm);
  parts_.log.validation(at, validation);
  parts_.watch.enter(Phase::kStep, at.step + 1);
  return validation.hits;
}

}  // namespace tutti::launch
