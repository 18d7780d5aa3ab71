#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace tutti::trainer {

// One optimizer step. Times are this rank's; the rest is equal on all ranks.
struct StepReport {
  int64_t step = 0;  // steps done
  double epoch = 0;
  double loss = 0;                      // nats a pair (a playlist, as weighted), mean over the step
  std::vector<double> level_loss = {};  // its part of each ID position
  double grad_norm = 0;                 // before clipping
  double learning_rate = 0;
  bool skipped = false;  // not finite: no update
  // Where that began, see NotFinitePlace: the place in words, the phase, the rank (-1: no single
  // one).
  std::string not_finite = {}, not_finite_phase = {};
  int not_finite_rank = -1;
  int64_t pairs = 0, nodes = 0,
          tokens = 0;             // title tokens and nodes are the model's positions
  double flops = 0;               // see model_flops.h
  double imbalance = 0;           // see TrainingData::Step
  int64_t num_micro_batches = 0;  // of this rank

  // The phases of the step, which add up to step_ms, and the gradients' way between ranks: what was
  // waited for, and what ran beside the model.
  double step_ms = 0, data_ms = 0, model_ms = 0, reduce_ms = 0, update_ms = 0;
  double exposed_ms = 0, hidden_ms = 0;
  double cpu_ms = 0;  // of all threads of the process meanwhile
  int64_t peak_memory_bytes = 0;
};

// The record of log.jsonl: the above, with rates a second. `peak_flops`: the matrix products that
// the ranks' machines were probed to do together a second.
nlohmann::json to_json(const StepReport& report, double peak_flops);

// Times the phases of steps: each lap ends one.
class StepClock {
 public:
  void start();
  double lap_ms();
  double cpu_ms() const;  // processor time of all threads of the process since the start

 private:
  double last_ms_ = 0, cpu_at_start_ms_ = 0;
};

}  // namespace tutti::trainer
