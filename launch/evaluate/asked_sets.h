#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "trainer/evaluate/query_set.h"

namespace tutti::launch {

// A block of the table: what is asked.
struct AskedSet {
  trainer::QuerySet queries;
  std::string meaning;  // what is asked and what counts as right, half a sentence
  bool is_playlists;    // else prompts made of tags, which may have any number of right tracks
};

// Held-out playlists with seen and with unseen titles and prompts made of tags; then the same in
// the words of `requests`, unless there are none.
std::vector<AskedSet> asked_sets(const data::Dataset& dataset, const trainer::QueryOptions& options,
                                 const std::vector<std::string>& requests);

}  // namespace tutti::launch
