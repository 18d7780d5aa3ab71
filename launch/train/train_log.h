#pragma once

#include <cstdint>
#include <optional>

#include "dist/communicator.h"
#include "trainer/evaluate/validator.h"
#include "trainer/run_folder.h"
#include "trainer/step_report.h"
#include "trainer/train_state.h"

namespace tutti::launch {

// What a run shows and records: every step in the run's log.jsonl, a line on the console at fixed
// steps with means since the line before.
class TrainLog {
 public:
  // `folder`: of rank 0; null elsewhere. `peak_flops`: see StepReport.
  TrainLog(const trainer::RunFolder* folder, int64_t total_steps, int64_t report_every,
           double peak_flops);

  void step(const trainer::StepReport& report);
  void validation(const trainer::TrainState& state, const trainer::Validation& validation);

 private:
  void show(const trainer::StepReport& last);

  const trainer::RunFolder* folder_;
  int64_t total_steps_, report_every_;
  double peak_flops_;
  struct Sums {
    int64_t steps = 0, pairs = 0, nodes = 0, skipped = 0;
    double loss = 0, flops = 0, imbalance = 0;
    double step_ms = 0, data_ms = 0, exposed_ms = 0, hidden_ms = 0;
    std::vector<double> level_loss;
  } sums_;  // since the last line
};

}  // namespace tutti::launch
