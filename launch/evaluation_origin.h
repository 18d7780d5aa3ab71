#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

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
  std::string prompts = "bare";  // and, with requests, the hash of their templates
  // What else the figures were made of: role ("embeddings", "bi-encoder") and hash.
  std::vector<std::pair<std::string, std::string>> parts = {};
};

// "both, requests 0123456789ab": what was asked of --prompts, and in the words of which templates.
std::string prompts_words(const std::string& prompts, const std::vector<std::string>& templates);

// One line, after sacrebleu's: version, data, split, queries, prompts, IDs, checkpoint, softmax,
// search, and the parts. `trained`: null when the lists of another system were scored.
std::string signature_of(const data::Dataset& dataset, const TrainedSystem* trained,
                         const Question& question);

// The same as fields of a result document: "signature", "dataset", "simulated", "id_table",
// "checkpoint", "parts", "options", "ranks", "threads".
void add_origin(nlohmann::json* document, const data::Dataset& dataset,
                const TrainedSystem* trained, const Question& question);

// A folder that results go into. StorageError naming the option.
void make_folder(const std::string& path, const char* option);

}  // namespace tutti::launch
