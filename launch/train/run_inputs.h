#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "data/dataset.h"
#include "dist/communicator.h"
#include "ids/id_table.h"
#include "launch/train/train_args.h"

namespace tutti::launch {

// What a run is made from, equal on all ranks.
struct RunInputs {
  data::Dataset dataset;
  ids::LoadedIdTable ids;
  std::optional<checkpoints::Checkpoint> last = {};  // what the run goes on from; none: it begins
  nlohmann::json config = {};                        // see what_makes_a_run()
  bool is_thawed = false;  // goes on behind the step from which on all parameters train

  int64_t first_step() const { return last ? last->state.value("step", int64_t{0}) : 0; }
};

// Opens all of it and checks that the parts belong together. Resolves in `a` what depends on them:
// --text-rows auto, and what is trained behind --thaw-at. `resolved`: all options. Collective.
// DataError or UsageError naming what does not fit.
RunInputs open_run_inputs(TrainArgs& a, const nlohmann::json& resolved, Communicator& comm);

}  // namespace tutti::launch
