#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "dist/communicator.h"
#include "launch/trained_system.h"

namespace tutti::launch {

struct MeasureOptions {
  std::string split = "test";
  int k = 10, beam = 20;
  int64_t max_queries = 1000;  // a part of the held-out playlists
  int64_t free_titles = 200;   // searched without the trie too
  uint64_t seed = 0;
};

// A trained model's share of the comparison, as kept with its cell: {"hits": {"seen titles":
// [...], "unseen titles": [...]} of each query, "clusters": {...} their normalised titles,
// "decoding_steps", "invalid_share", "free_titles", and what the IDs are: "tracks", "not_alone",
// "mean_tokens", "rows_added"}. Collective; the same on every rank and at any world size.
nlohmann::json measure(const TrainedSystem& trained, const std::string& ids_path,
                       const MeasureOptions& options, Communicator& comm);

}  // namespace tutti::launch
