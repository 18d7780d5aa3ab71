#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/synth/playlist_source.h"
#include "dist/communicator.h"

namespace tutti::data {

// Who made each track of a catalogue, by row; -1 when unknown.
struct TrackMakers {
  std::span<const int32_t> artist, album;  // [tracks]
  int64_t num_artists = 0, num_albums = 0;
};

// Different tracks, artists and albums of some playlists.
struct Variety {
  int64_t tracks = 0, artists = 0, albums = 0;
};
Variety variety_of(std::span<const int32_t> tracks, const TrackMakers& makers);

// What the simulated playlists look like, in the terms that are published of the Million Playlist
// Dataset.
struct SynthStatistics {
  int64_t playlists = 0, entries = 0;
  int64_t shortest = 0, median_length = 0, longest = 0;
  double mean_length = 0;
  Variety all;          // of all playlists
  Variety first_tenth;  // of the first tenth of them
  double artists_a_playlist = 0, albums_a_playlist = 0;
  double in_one_playlist = 0, in_two = 0;  // share of the tracks that occur
  double top_track = 0, tenth_track = 0;   // share of playlists that hold the most frequent track
  double popularity_hits = 0;              // mean hits@10 of the ten most frequent tracks
  double top_artist = 0;                   // share of all entries
  int64_t normalized_titles = 0, raw_titles = 0;
  double top_title = 0, top_20_titles = 0;  // share of playlists with these titles
};

class SynthCounter {
 public:
  // `num_playlists`: of all ranks.
  SynthCounter(const TrackMakers& makers, int64_t num_titles, int64_t num_playlists);

  // `variety`: of this playlist; made by the threads that make playlists.
  void add(int64_t index, const SynthPlaylist& playlist, const Variety& variety);
  void add(int64_t index, const SynthPlaylist& playlist);
  void merge(Communicator& comm);  // counts of all ranks; collective
  SynthStatistics statistics(int64_t num_raw_titles) const;

 private:
  Variety count_used(std::span<const int32_t> by_track) const;

  TrackMakers makers_;
  int64_t num_early_;                         // playlists of the first tenth
  std::vector<int32_t> by_track_, by_title_;  // playlists
  std::vector<int32_t> early_by_track_;
  std::vector<int64_t> by_length_;  // playlists, by number of tracks
  int64_t playlist_artists_ = 0, playlist_albums_ = 0;
};

// A small table: what was simulated beside what is published. [docs/data.md has the sources.]
std::string to_table(const SynthStatistics& statistics);

}  // namespace tutti::data
