#pragma once

#include <cstdint>
#include <optional>

#include "checkpoints/checkpoint_store.h"
#include "checkpoints/import/bert.h"
#include "checkpoints/import/hf.h"
#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/communicator.h"
#include "ids/id_table.h"
#include "launch/train/model_options.h"
#include "trainer/base_model.h"
#include "trainer/models/t5.h"

namespace tutti::launch {

// What a run's model is before its first step.
struct StartingModel {
  data::Tokenizer tokenizer;
  trainer::T5Config config;
  // A folder of Hugging Face to take weights from, at most one.
  std::optional<checkpoints::HfT5> base = {};
  std::optional<checkpoints::BertSource> encoder = {};
};

// A new model: of the base, else of the shape in the options and a vocabulary that is read or
// trained. Collective. DataError naming what is wrong with base or vocabulary.
StartingModel make_starting_model(const ModelArgs& a, const data::Dataset& dataset,
                                  const ids::IdTable& table, Communicator& comm);
// The model of a run that goes on.
StartingModel resumed_model(const checkpoints::Checkpoint& last);

// Fills a new model: random weights, those of the base over them, and ID rows. The report is that
// of the base; it is logged too.
std::optional<trainer::BaseReport> fill_model(trainer::T5Model& model, const StartingModel& start,
                                              const ModelArgs& a, const ids::IdTable& table,
                                              uint64_t seed);

}  // namespace tutti::launch
