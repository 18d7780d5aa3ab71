#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/catalog.h"
#include "data/dataset.h"
#include "trainer/evaluate/playlist_blocks.h"

namespace tutti::trainer {

// What a ranker is asked and what would be right. A query is a held-out playlist (its raw title;
// its tracks) or an editorial prompt. Queries of one title share its list, so each distinct title
// is ranked once.
struct QuerySet {
  std::string name;                    // "seen titles"
  std::vector<std::string> titles;     // distinct, in order of first use: what is asked
  std::vector<std::string> bare;       // [titles], of titles that are asked for in requests
  std::vector<int32_t> title_of;       // [size], row of `titles`
  std::vector<int32_t> normalized_of;  // [size], equal for queries of one normalised title
  std::vector<int64_t> offsets{0};     // [size + 1]
  std::vector<int32_t> relevant;       // tracks of query i: [offsets[i], offsets[i+1]), ascending
  int64_t num_candidates = 0;          // queries that there were before the cap

  bool in_requests() const { return !bare.empty(); }
  // The words of a query's playlist, whether they are asked bare or in a request.
  const std::string& words_of(int64_t i) const {
    return (bare.empty() ? titles : bare)[title_of[i]];
  }
  int64_t size() const { return std::ssize(title_of); }
  std::span<const int32_t> relevant_of(int64_t i) const {
    return std::span(relevant).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
};

struct QueryOptions {
  data::Part part = data::Part::kTest;
  int64_t max_queries = 2000;  // a set; 0: no cap. Beyond it a sample is drawn, the same for a seed
  uint64_t seed = 0;
};

struct PlaylistQueries {
  QuerySet seen;    // the normalised title also names a training playlist
  QuerySet unseen;  // it names none
};
// The held-out playlists of a part. Playlists without tracks are left out.
PlaylistQueries make_playlist_queries(const data::Dataset& dataset, const QueryOptions& options);

PlaylistQueries make_playlist_queries(const data::TitleTable& titles, const BlockSource& playlists,
                                      const QueryOptions& options);

// Prompts made of tags alone (see data/editorial.h); empty when the catalog has no tags.
QuerySet make_editorial_query_set(const data::Catalog& catalog, const QueryOptions& options);

// The same queries as listeners say them: every title in one of the templates, drawn by seed and
// place in the set. Named "... as requests".
QuerySet as_requests(QuerySet queries, const std::vector<std::string>& requests, uint64_t seed);

}  // namespace tutti::trainer
