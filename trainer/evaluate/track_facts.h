#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/catalog.h"
#include "ids/id_table.h"

namespace tutti::trainer {

// How popular a track is among the catalogue's: by training playlists, ties by row.
enum class Popularity : uint8_t {
  kHead,   // the top 1 %
  kTorso,  // the next 19 %
  kTail,   // the other 80 %
};

// What is known of the tracks beside being right: what metrics beyond accuracy look at.
struct TrackFacts {
  std::vector<int32_t> artist_of;      // [num_tracks], -1: unknown, an artist of its own
  std::vector<int32_t> train_counts;   // [num_tracks], training playlists that hold the track
  std::vector<Popularity> popularity;  // [num_tracks]
  int64_t dim = 0;                     // 0: no vectors
  std::vector<float> unit_vectors;     // [num_tracks, dim], length 1 (or 0)

  int64_t num_tracks() const { return std::ssize(train_counts); }
};

// `train_counts`: [num_tracks]. `vectors`: [num_tracks, dim] or empty.
TrackFacts make_track_facts(const data::Catalog& catalog, std::vector<int32_t> train_counts,
                            std::span<const float> vectors = {}, int64_t dim = 0);

// Mean over all pairs of 1 - cosine; 0 for fewer than two tracks. Needs vectors.
double list_distance(const TrackFacts& facts, std::span<const int32_t> tracks);

// What all lists of a system are like together.
struct ListUse {
  double coverage = 0;  // share of the catalogue that is in some list
  double gini = 0;      // of how often each track of the catalogue is listed: 0 alike, 1 all one
  double distinct =
      0;  // share of listed tracks that their own list does not repeat: 1 unless broken
};
// The first k tracks of each list; a list counts once.
ListUse use_of(std::span<const std::vector<int32_t>> lists, int64_t num_tracks, int k);

// Of the tracks listed, the share whose codes (the ID without its last token) another track has,
// too: such tracks are told apart by the suffix alone.
double aliased_share(std::span<const std::vector<int32_t>> lists, const ids::IdTable& table, int k);

}  // namespace tutti::trainer
