#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/catalog.h"

namespace tutti::data {

// A query that no simulated listener touched: its words are those of tags, its answers the tracks
// that really carry them.
struct EditorialQuery {
  std::string prompt;             // the plain words of the tags: "dark electronic piano"
  std::vector<int32_t> tags;      // two or three, in the order of the prompt
  std::vector<int32_t> relevant;  // the tracks that carry them all, ascending
};

struct EditorialOptions {
  int64_t num_queries = 500;  // fewer when the catalogue has fewer
  double three_tags = 0.5;    // share of the queries that name three tags
  int64_t min_relevant = 10;  // tracks that must carry all tags
  uint64_t seed = 0;
};

// Chosen at random among all tag sets that enough tracks carry: the same queries for the same
// catalogue and options. No two have the same tags or the same words. Empty when the catalogue has
// no tags.
std::vector<EditorialQuery> make_editorial_queries(const Catalog& catalog,
                                                   const EditorialOptions& options);

}  // namespace tutti::data
