#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "data/tokenizer.h"
#include "dist/runtime/artefact.h"
#include "ids/id_table.h"
#include "trainer/models/t5.h"

namespace tutti::trainer {

// A trained model read from a checkpoint or run folder, with what it needs to be used.
struct LoadedModel {
  std::filesystem::path path;  // the checkpoint that was taken
  Manifest manifest;           // made_from: "dataset", "id-table"
  nlohmann::json state;        // state.json of the checkpoint: step, "model" (T5Config), "train"
                               // (options), "softmax"
  std::unique_ptr<T5Model> model;
  data::Tokenizer tokenizer;
};

// DataError when the checkpoint is damaged or was trained for another ID table than `ids` (both
// hashes named).
LoadedModel load_model(const std::filesystem::path& run_or_checkpoint, const Manifest& ids);

}  // namespace tutti::trainer
