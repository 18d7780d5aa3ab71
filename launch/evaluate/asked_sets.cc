#include "launch/evaluate/asked_sets.h"

#include <utility>

namespace tutti::launch {

std::vector<AskedSet> asked_sets(const data::Dataset& dataset, const trainer::QueryOptions& options,
                                 const std::vector<std::string>& requests) {
  auto playlists = trainer::make_playlist_queries(dataset, options);
  std::vector<AskedSet> sets;
  sets.push_back({std::move(playlists.seen),
                  "held-out playlists, their title also names a training playlist", true});
  sets.push_back({std::move(playlists.unseen),
                  "held-out playlists, no training playlist has their title", true});
  sets.push_back({trainer::make_editorial_query_set(dataset.catalog(), options),
                  "words of two or three tags; right are the tracks that carry them all", false});
  if (requests.empty()) return sets;
  for (size_t i = 0; i < 3; ++i) {
    sets.push_back({trainer::as_requests(sets[i].queries, requests, options.seed),
                    "the same, asked for in words that no training title was put into",
                    sets[i].is_playlists});
  }
  return sets;
}

}  // namespace tutti::launch
