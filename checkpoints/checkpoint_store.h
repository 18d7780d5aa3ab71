#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoints/pending_folder.h"
#include "checkpoints/shards.h"
#include "dist/runtime/artefact.h"

namespace tutti::checkpoints {

// Of its manifest. Format 1 had one file for the model, whatever the number of ranks, and is read
// alike.
inline constexpr const char* kCheckpointKind = "checkpoint";
inline constexpr int kCheckpointFormat = 2;

// File names inside a checkpoint folder that one rank wrote.
constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kStateFile = "state.json";

// The checkpoints of a run: RUN/checkpoints/step-000000123/ {model.safetensors,
// optimizer.safetensors, state.json, manifest.json and any extra file, such as spiece.model}; of
// several ranks a pair of files each (shards.h), which any number of ranks can read. Each folder
// appears whole, by rename or by a marker (pending_folder.h); by rename, the link `latest` names
// the newest. Readers need not know which it was. The store sees named tensors and a JSON document:
// it knows no model.
class CheckpointStore {
 public:
  explicit CheckpointStore(const std::filesystem::path& run, Commit how = Commit::kRename);

  // A model file that stands elsewhere already, the same in all checkpoints of a run: they hold it
  // under its name as a hard link (a copy where the file system has none), so that each is whole
  // and the disk holds it once. Its name begins with "model-".
  struct LinkedFile {
    std::filesystem::path path;
    FileEntry entry;
    int64_t num_tensors = 0, num_parameters = 0;
  };

  // What is written once, whatever the number of ranks.
  struct Common {
    nlohmann::json state;  // step, data position, config: whatever the trainer needs
    std::map<std::string, std::string> files;      // extra files: name -> bytes
    std::map<std::string, std::string> made_from;  // role -> hash (dataset, id-table)
    std::map<std::string, LinkedFile> linked = {};
  };

  // A save by several ranks: rank 0 begins, every rank writes its shard into the folder that
  // begin() gave, rank 0 commits when all have. Until then nothing is there under a name that a
  // reader would take. Who begins again, or destroys the store, gives the save up.
  //
  // With a marker a checkpoint cannot be replaced by another of its step: where a good one is
  // there, begin() gives an empty path, and there is nothing to write. (A run comes to a step in
  // one state.)
  std::filesystem::path begin(int64_t step);
  // The files of the shard are on the disk on return. StorageError when they cannot be written, or
  // when this rank does not see the folder.
  static void write_shard(const std::filesystem::path& staging, const Shard& shard);
  // Writes what is common and renames. Then deletes the oldest, so that `keep` (>= 1) good ones up
  // to this step remain; a damaged one does not count.
  Manifest commit(const Common& common, int num_ranks, int keep);

  struct Content {
    std::vector<NamedTensor> model, optimizer;  // data owned by the caller
    nlohmann::json state;
    std::map<std::string, std::string> files, made_from;
    std::map<std::string, LinkedFile> linked = {};
  };
  // All of it by one process. StorageError when it cannot be written; then nothing changes.
  // Replaces a checkpoint of the same step.
  Manifest save(int64_t step, const Content& content, int keep);

  std::vector<int64_t> steps()
      const;  // complete checkpoints, ascending; half-written folders are never listed
  std::filesystem::path path_of(int64_t step) const;

  // Deletes the oldest, so that `keep` good ones remain, and what killed saves left behind. The
  // steps that went.
  std::vector<int64_t> prune(int keep) const;

 private:
  void remove_checkpoint(const std::filesystem::path& path) const;
  void remove_leftovers(bool replaced_too) const;
  void remove_damaged(int64_t step) const;
  void remove_old(int64_t newest, int keep) const;
  void point_latest_to(int64_t step) const;

  std::filesystem::path folder_;
  Commit how_;
  std::unique_ptr<PendingFolder> writer_;
  int64_t step_ = -1;
};

struct Checkpoint {
  std::filesystem::path path;
  Manifest manifest;
  ShardedTensors model;
  nlohmann::json state;

  // DataError when there is none: the best model of a run is kept without it.
  ShardedTensors optimizer() const { return ShardedTensors::open(path, manifest, "optimizer"); }
};
// Opens a checkpoint folder, or the newest good checkpoint of a run folder (a damaged newest one is
// reported and the one before is taken). DataError when there is none. `verify`: read and hash
// every byte, so that a flipped bit cannot pass; else sizes only.
Checkpoint open_checkpoint(const std::filesystem::path& run_or_checkpoint, bool verify = true);

}  // namespace tutti::checkpoints
