#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/communicator.h"
#include "trainer/models/id_model.h"

namespace tutti::launch {

// Where the model's titles are read by frozen layers alone: reads all training titles before the
// first step, shared among the ranks, or takes what a run before has kept in the folder
// (trainer/title_state_cache.h). `folder`: --title-states; empty: OUT/title-states; "none": titles
// are read as they come. `alive` is called between blocks. Collective.
void read_training_titles(trainer::IdModel& model, const data::Dataset& dataset,
                          const data::Tokenizer& tokenizer, const std::string& folder,
                          const std::filesystem::path& out, Communicator& comm,
                          const std::function<void()>& alive);

}  // namespace tutti::launch
