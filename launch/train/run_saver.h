#pragma once

#include <array>
#include <atomic>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "dist/communicator.h"
#include "trainer/models/id_model.h"
#include "trainer/optimizer.h"
#include "trainer/train_state.h"

namespace tutti::launch {

// Writes the checkpoints of a run: OUT/checkpoints, to go on from, and OUT/best/checkpoints, the
// model of the best validation without its optimizer. Both are opened like any run. What training
// leaves as it is is written once, OUT/model-frozen.safetensors; checkpoints link to it.
//
// Training waits for a copy of this rank's shard only. A thread of each rank writes the copy; that
// it is on the disk, or cannot be written, each rank says in the control all-reduce of the steps
// that follow, and when all have written, a thread of rank 0 commits. One save is under way at a
// time: the next one waits for it.
class RunSaver {
 public:
  // What all checkpoints of the run hold beside the model.
  struct Common {
    nlohmann::json state;  // state.json, but for the step
    std::map<std::string, std::string> files, made_from;
  };
  struct Keeping {
    int number = 2;  // of checkpoints, besides the best
    checkpoints::Commit commit = checkpoints::Commit::kRename;
  };
  // Model, optimizer and communicator outlive the saver. Collective; the run folder is there.
  RunSaver(std::filesystem::path out, Keeping keeping, Common common, const trainer::IdModel& model,
           const trainer::AdamW& optimizer, Communicator& comm);

  // Begins to write. Collective, as finish(); both throw what any rank's threads threw.
  void start(const trainer::TrainState& state);
  // What was begun is there, whole, for all ranks.
  void finish();

  // What this rank adds to a step's control all-reduce, and what the ranks do when they have the
  // sum. agree() throws on all ranks when a rank could not write.
  using Progress = std::array<double, 2>;  // shards written, shards failed
  Progress progress() const;
  void agree(const Progress& sum);

  void save_best(const trainer::TrainState& state);

 private:
  enum class Phase { kIdle, kWriting, kCommitting };
  enum class Outcome { kOpen, kDone, kFailed };

  checkpoints::CheckpointStore::Common common_of(const trainer::TrainState& state) const;
  template <typename Work>
  void in_background(Work work);
  void commit();
  void write_frozen();

  std::filesystem::path out_;
  Keeping keeping_;
  Common common_;
  std::map<std::string, checkpoints::CheckpointStore::LinkedFile> linked_;  // of rank 0
  const trainer::IdModel& model_;
  const trainer::AdamW& optimizer_;
  Communicator& comm_;

  Phase phase_ = Phase::kIdle;  // equal on all ranks
  checkpoints::CheckpointStore store_;
  checkpoints::CheckpointStore::Common saved_;  // of the save under way
  std::unique_ptr<checkpoints::ShardCopy> copy_;
  std::atomic<Outcome> outcome_ = Outcome::kDone;
  std::future<void> work_;  // last: its end is waited for before the rest goes
};

}  // namespace tutti::launch
