#pragma once

#include <string>

#include "data/dataset.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "launch/search_options.h"
#include "trainer/decode/generative_ranker.h"
#include "trainer/model_io.h"

namespace tutti::launch {

// A trained model with all that it takes to answer: opened together, so that the chain of artefacts
// is checked once, in one place.
struct TrainedSystem {
  data::Dataset dataset;
  ids::LoadedIdTable ids;
  ids::Trie trie;
  trainer::LoadedModel model;

  // Points into this object.
  trainer::GenerativeRanker ranker(const SearchOptions& search) const;
};

// DataError when an artefact is damaged, or the IDs or the run were made from another dataset, or
// the run from other IDs (both hashes named).
TrainedSystem open_trained_system(const std::string& dataset, const std::string& ids,
                                  const std::string& run);

}  // namespace tutti::launch
