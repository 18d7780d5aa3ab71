#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "data/synth/playlist_generator.h"

namespace tutti::data {

// What the generated playlists look like, in the terms that are published of the Million Playlist
// Dataset.
struct SynthStatistics {
  int64_t playlists = 0, entries = 0, tracks_used = 0;
  int64_t shortest = 0, longest = 0;
  int64_t normalized_titles = 0, raw_titles = 0;
  double mean_length = 0;
  double top_track = 0, tenth_track = 0;    // share of playlists that hold the most frequent track
  double popularity_hits = 0;               // mean hits@10 of the ten most frequent tracks
  double top_title = 0, top_20_titles = 0;  // share of playlists with these titles
};

class SynthCounter {
 public:
  SynthCounter(int64_t num_tracks, int64_t num_titles);
  void add(const SynthPlaylist& playlist);
  SynthStatistics statistics() const;

 private:
  std::vector<int64_t> by_track_, by_title_;
  std::unordered_set<std::string> raw_titles_;  // only counted
  int64_t playlists_ = 0, entries_ = 0, shortest_ = 0, longest_ = 0;
};

// A small table: what was generated beside what is published.
std::string to_table(const SynthStatistics& statistics);

}  // namespace tutti::data
