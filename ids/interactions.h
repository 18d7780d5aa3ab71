#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "dist/communicator.h"

namespace tutti::ids {

// Rows of a sparse matrix of ones.
struct SparseRows {
  std::vector<int64_t> offsets{0};  // [rows + 1]
  std::vector<int32_t> columns;     // ascending reading order of the dataset

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int32_t> row(int64_t i) const {
    return std::span(columns).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
};

// This rank's part of the matrix playlists x tracks of the training playlists, held-out playlists
// left out: the rows of its playlists and the columns of its tracks. Playlists are numbered 0, 1,
// ... among the training playlists.
struct Interactions {
  int64_t num_playlists = 0, num_tracks = 0, num_entries = 0;  // of all ranks
  std::vector<int64_t> playlist_split, track_split;  // [ranks + 1], equal work on each rank
  SparseRows by_playlist;                            // own playlists -> tracks
  SparseRows by_track;                               // own tracks -> playlists
  std::vector<int32_t> track_counts;                 // [num_tracks], training playlists of each
};

// Reads all playlists twice, in blocks, and keeps this rank's part. `row_cost`: work of a row
// beside its entries, in entries (solving D x D costs about D of them).
Interactions read_interactions(const data::Dataset& dataset, int64_t row_cost,
                               const Communicator& comm);

// Borders of `num_parts` runs of consecutive items of about equal cost: [num_parts + 1].
std::vector<int64_t> split_by_cost(std::span<const int32_t> costs, int64_t extra_cost,
                                   int num_parts);

}  // namespace tutti::ids
