#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/dataset.h"

namespace tutti::data {

// How often each value occurs.
using Histogram = std::map<int64_t, int64_t>;

// The smallest value that at least `share` of all occurrences do not exceed; 0 of nothing.
int64_t quantile(const Histogram& histogram, double share);

struct PartStatistics {
  int64_t playlists = 0, entries = 0;
  int64_t seen = 0;  // playlists whose normalised title names a training playlist
};

struct Frequency {
  std::string name;
  int64_t playlists = 0;
};

// What `tutti inspect` prints of a dataset.
struct DatasetStatistics {
  Histogram playlist_lengths;  // playlists by number of tracks
  Histogram track_playlists;   // tracks by number of playlists that hold them, 0 included
  Histogram title_words;       // normalised titles by number of words
  Histogram title_playlists;   // normalised titles by number of playlists
  std::vector<Frequency> top_tracks, top_titles;  // most frequent first, ties by row
  std::array<PartStatistics, 3> parts;            // by Part
  int64_t held_out_entries_never_trained = 0;     // entries whose track no training playlist holds
};

// One pass over the dataset; memory grows with tracks and titles.
DatasetStatistics compute_statistics(const Dataset& dataset, int num_top = 10);

nlohmann::json to_json(const DatasetStatistics& statistics);
// Several lines for people, without the manifest.
std::string to_text(const DatasetStatistics& statistics);

// Kind, hash, what it was made from, counts, configuration, files: any artefact.
std::string manifest_summary(const Manifest& manifest);

}  // namespace tutti::data
