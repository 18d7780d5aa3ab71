#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "checkpoints/import/bert.h"
#include "checkpoints/import/hf.h"
#include "checkpoints/import/llama.h"
#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/communicator.h"
#include "ids/id_table.h"
#include "launch/train/model_options.h"
#include "trainer/base_model.h"
#include "trainer/model_io.h"
#include "trainer/models/id_model.h"

namespace tutti::launch {

// What a run's model is before its first step.
struct StartingModel {
  data::Tokenizer tokenizer;  // with the prompt
  std::string prompt;
  nlohmann::json shape;                               // see IdModel::shape()
  std::map<std::string, std::string> made_from = {};  // beside dataset and ID table, for manifests
  // Where weights come from; nothing: all are new, or a run goes on.
  std::variant<std::monostate, checkpoints::HfT5, checkpoints::LlamaSource, checkpoints::BertSource,
               trainer::LoadedModel>
      base = {};
};

// A new model: of the base, else of the shape in the options and a vocabulary that is read or
// trained. Collective. DataError naming what is wrong with base or vocabulary, UsageError naming an
// option that this base does not go with.
StartingModel make_starting_model(const ModelArgs& a, const data::Dataset& dataset,
                                  const ids::LoadedIdTable& ids, Communicator& comm);
// The model of a run that goes on.
StartingModel resumed_model(const checkpoints::Checkpoint& last);

// The model that is started from, held for training as the options say; values are zero.
std::unique_ptr<trainer::IdModel> make_model(const StartingModel& start, const ModelArgs& a);

// Fills a new model: random weights, those of the base over them, and ID rows. The report is that
// of the base; it is logged too.
std::optional<trainer::BaseReport> fill_model(trainer::IdModel& model, const StartingModel& start,
                                              const ModelArgs& a, const ids::IdTable& table,
                                              uint64_t seed);

}  // namespace tutti::launch
