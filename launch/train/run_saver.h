#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "dist/communicator.h"
#include "trainer/gradient_reducer.h"
#include "trainer/models/id_model.h"
#include "trainer/optimizer.h"
#include "trainer/train_state.h"

namespace tutti::launch {

// Writes the checkpoints of a run: OUT/checkpoints, to go on from, and OUT/best/checkpoints, the
// model of the best validation without its optimizer. Both are opened like any run.
class RunSaver {
 public:
  // What all checkpoints of the run hold beside the model.
  struct Common {
    nlohmann::json state;  // state.json, but for the step
    std::map<std::string, std::string> files, made_from;
  };
  // Model, optimizer, reducer and communicator outlive the saver.
  RunSaver(std::filesystem::path out, int keep, Common common, const trainer::IdModel& model,
           const trainer::AdamW& optimizer, trainer::GradientReducer& reducer, Communicator& comm);

  void save(const trainer::TrainState& state);  // collective
  void save_best(const trainer::TrainState& state);

 private:
  checkpoints::CheckpointStore::Content content(const trainer::TrainState& state) const;

  std::filesystem::path out_;
  int keep_;
  Common common_;
  const trainer::IdModel& model_;
  const trainer::AdamW& optimizer_;
  trainer::GradientReducer& reducer_;
  Communicator& comm_;
};

}  // namespace tutti::launch
