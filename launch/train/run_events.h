#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "dist/communicator.h"
#include "launch/train/run_saver.h"
#include "launch/train/run_validation.h"
#include "launch/train/run_watch.h"
#include "launch/train/stop_wish.h"
#include "launch/train/straggler_log.h"
#include "launch/train/train_log.h"
#include "trainer/trainer.h"

namespace tutti::launch {

// What a run does when its trainer reports a step, wants a checkpoint or a validation, and asks
// whether to stop.
class RunEvents {
 public:
  // What is referred to outlives this. `validation`: none where none is asked for.
  struct Parts {
    RunWatch& watch;
    RunSaver& saver;
    StopWish& stop;
    TrainLog& log;
    StragglerLog& stragglers;
    std::optional<RunValidation>& validation;
    Communicator& comm;
  };
  explicit RunEvents(Parts parts) : parts_(parts) {}

  trainer::TrainerHooks hooks();
  // Why this rank asked to stop; empty: it did not.
  const std::string& stop_reason() const { return stop_reason_; }

 private:
  void report(const trainer::StepReport& step);
  void begin_checkpoint(const trainer::TrainState& at);
  void saves_agreed(const RunSaver::Progress& sum);
  void finish_saving();
  double validate(const trainer::TrainState& at);

  Parts parts_;
  std::chrono::steady_clock::time_point saving_since_;
  std::string stop_reason_;
};

}  // namespace tutti::launch
