#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace tutti::trainer {

// What a run carries from step to step beside model and optimizer; part of a checkpoint, equal on
// all ranks.
struct TrainState {
  int64_t step = 0;              // steps done; the data goes on there
  int64_t skipped = 0;           // of them, those without an update: not finite
  int64_t skipped_in_a_row = 0;  // up to the last step
  double best_hits = -1;         // the best validation so far; -1: there was none
  int64_t best_step = 0;
  int64_t validations_since_best = 0;
  // What was frozen began to train here (0: it did not), with an optimizer of its own: updates that
  // had been made.
  int64_t updates_before_thaw = 0;

  int64_t updates() const { return step - skipped - updates_before_thaw; }  // of the optimizer

  bool operator==(const TrainState&) const = default;
};

nlohmann::json to_json(const TrainState& state);
// DataError naming the field that is missing or wrong; `origin`: the file that it was read from.
TrainState train_state_from_json(const nlohmann::json& json, const std::string& origin);

}  // namespace tutti::trainer
