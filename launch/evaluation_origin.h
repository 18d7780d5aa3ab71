#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "launch/search_options.h"
#include "launch/trained_system.h"

namespace tutti::launch {

// What was asked of what: with it two results can be compared.
struct Question {
  std::string split;
  int k = 10, depth = 10;
  int64_t max_queries = 0;  // a set; 0: all
  uint64_t seed = 0;
  int threads = 1, ranks = 1;
  SearchOptions search = {};
};

// One line, after sacrebleu's: version, data, split, queries, IDs, checkpoint, softmax, search.
// `trained`: null when the lists of another system were scored.
std::string signature_of(const data::Dataset& dataset, const TrainedSystem* trained,
                         const Question& question);

// The same as fields of a result document: "signature", "dataset", "simulated", "id_table",
// "checkpoint", "options", "ranks", "threads".
void add_origin(nlohmann::json* document, const data::Dataset& dataset,
                const TrainedSystem* trained, const Question& question);

// A folder that results go into. StorageError naming the option.
void make_folder(const std::string& path, const char* option);

}  // namespace tutti::launch
