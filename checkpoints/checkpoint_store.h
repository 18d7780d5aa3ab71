#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "dist/runtime/artefact.h"

namespace tutti::checkpoints {

// The checkpoints of a run: RUN/checkpoints/step-000000123/ {model.safetensors,
// optimizer.safetensors, state.json, manifest.json and any extra file, such as spiece.model}. Each
// appears whole by rename. The store sees named tensors and a JSON document: it knows no model.
class CheckpointStore {
 public:
  explicit CheckpointStore(std::filesystem::path run);

  struct Content {
    std::vector<NamedTensor> model, optimizer;  // data owned by the caller
    nlohmann::json state;  // step, data position, config: whatever the trainer needs
    std::map<std::string, std::string> files;      // extra files: name -> bytes
    std::map<std::string, std::string> made_from;  // role -> hash (dataset, id-table)
  };
  // Writes step-N (replacing one of the same step), then deletes the oldest so that `keep` (>= 1)
  // remain. Rank 0 only.
  Manifest save(int64_t step, const Content& content, int keep);

  std::vector<int64_t> steps()
      const;  // complete checkpoints, ascending; half-written folders are never listed
  std::filesystem::path path_of(int64_t step) const;

 private:
  std::filesystem::path folder_;
};

struct Checkpoint {
  std::filesystem::path path;
  Manifest manifest;
  SafetensorsFile model;
  nlohmann::json state;
};
// Opens a checkpoint folder, or the newest good checkpoint of a run folder (a damaged newest one is
// reported and the one before is taken). DataError when there is none.
Checkpoint open_checkpoint(const std::filesystem::path& run_or_checkpoint);

}  // namespace tutti::checkpoints
