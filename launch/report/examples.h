#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "launch/report/inputs.h"

namespace tutti::launch {

// Prompts of every set of queries in a folder of `tutti evaluate --dump-run`, with the first
// `places` tracks of every system: `per_block` of them, evenly spaced over the topics, so that none
// is picked for its outcome. Tracks are shown as "name - artist", or by key where they have no
// name. DataError naming the file and line of what does not belong to the dataset.
std::vector<ExamplePrompt> read_examples(const std::string& folder, const data::Dataset& dataset,
                                         int64_t per_block, int64_t places);

}  // namespace tutti::launch
