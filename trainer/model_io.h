#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "checkpoints/lora.h"
#include "checkpoints/shards.h"
#include "data/tokenizer.h"
#include "dist/runtime/artefact.h"
#include "ids/id_table.h"
#include "trainer/models/id_model.h"
#include "trainer/optimizer.h"

namespace tutti::trainer {

// A trained model read from a checkpoint or run folder, with what it needs to be used.
struct LoadedModel {
  std::filesystem::path path;  // the checkpoint that was taken
  Manifest manifest;           // made_from: "dataset", "id-table"
  nlohmann::json state;        // state.json of the checkpoint: step, "model" (its shape), "train"
                               // (options), "softmax", "prompt"
  std::unique_ptr<IdModel> model;
  data::Tokenizer tokenizer;
};

// The model as it is used: adapters are merged into the matrices that they change.
// DataError when the checkpoint is damaged or was trained for another ID table than `ids` (both
// hashes named).
LoadedModel load_model(const std::filesystem::path& run_or_checkpoint, const Manifest& ids);
// Whatever its ID table.
LoadedModel load_model(const checkpoints::Checkpoint& checkpoint);

// Adds adapters, as they are stored, to the matrices of a model without them, in host memory.
void merge_adapters(IdModel& model, const checkpoints::LoraConfig& lora,
                    const checkpoints::ShardedTensors& stored);

// A model and its optimizer as named tensors for the checkpoint store, and back. The tensors point
// into the model: save before it changes. Loading throws DataError when a tensor is missing or has
// another shape.
std::vector<checkpoints::NamedTensor> parameters_as_tensors(const IdModel& model);
// The two halves of it: what training changes, and what stays as it is.
std::vector<checkpoints::NamedTensor> trained_as_tensors(const IdModel& model);
std::vector<checkpoints::NamedTensor> frozen_as_tensors(const IdModel& model);
void load_parameters(IdModel& model, const checkpoints::ShardedTensors& stored);
// The optimizer's that `rank` of `num_ranks` writes: the moments that it owns, or its part of what
// all hold alike. The slices of all ranks are the whole flat buffers, so that a checkpoint fits any
// number of ranks; loading takes the elements that the optimizer owns.
std::vector<checkpoints::TensorSlice> optimizer_as_slices(const AdamW& optimizer, int rank,
                                                          int num_ranks);
std::vector<checkpoints::NamedTensor> optimizer_as_tensors(const AdamW& optimizer);  // owns all
void load_optimizer(AdamW& optimizer, const checkpoints::ShardedTensors& stored, int64_t num_steps);

}  // namespace tutti::trainer
