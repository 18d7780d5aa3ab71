#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "dist/runtime/artefact.h"

namespace tutti::checkpoints {

// File names inside a checkpoint folder.
constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kStateFile = "state.json";

// The checkpoints of a run: RUN/checkpoints/step-000000123/ {model.safetensors,
// optimizer.safetensors, state.json, manifest.json and any extra file, such as spiece.model}. Each
// appears whole by rename. The store sees named tensors and a JSON document: it knows no model.
class CheckpointStore {
 public:
  explicit CheckpointStore(const std::filesystem::path& run);

  struct Content {
    std::vector<NamedTensor> model, optimizer;  // data owned by the caller
    nlohmann::json state;  // step, data position, config: whatever the trainer needs
    std::map<std::string, std::string> files;      // extra files: name -> bytes
    std::map<std::string, std::string> made_from;  // role -> hash (dataset, id-table)
  };
  // Writes step-N (replacing one of the same step), then deletes the oldest so that `keep` (>= 1)
  // good ones up to N remain; a damaged one does not count. Also clears away what a killed save
  // left behind. Rank 0 only. StorageError when it cannot be written; then nothing changes.
  Manifest save(int64_t step, const Content& content, int keep);

  std::vector<int64_t> steps()
      const;  // complete checkpoints, ascending; half-written folders are never listed
  std::filesystem::path path_of(int64_t step) const;

 private:
  void remove_leftovers(bool replaced_too) const;
  void remove_damaged(int64_t step) const;
  void remove_old(int64_t newest, int keep) const;

  std::filesystem::path folder_;
};

struct Checkpoint {
  std::filesystem::path path;
  Manifest manifest;
  SafetensorsFile model;
  nlohmann::json state;
};
// Opens a checkpoint folder, or the newest good checkpoint of a run folder (a damaged newest one is
// reported and the one before is taken). DataError when there is none. `verify`: read and hash
// every byte, so that a flipped bit cannot pass; else sizes only.
Checkpoint open_checkpoint(const std::filesystem::path& run_or_checkpoint, bool verify = true);

}  // namespace tutti::checkpoints
