#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "dist/communicator.h"

namespace tutti::ids {

// Rows of a sparse matrix of ones.
struct SparseRows {
  std::vector<int64_t> offsets{0};  // [rows + 1]
  std::vector<int32_t> columns;

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int32_t> row(int64_t i) const {
    return std::span(columns).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
};

// Playlists numbered 0, 1, ... and what reads a range of them: `visit(first, last, see)` calls
// `see` with the number and the tracks of each, in order.
using SeePlaylist = std::function<void(int64_t playlist, std::span<const int32_t> tracks)>;
struct PlaylistSource {
  int64_t num_playlists = 0, num_tracks = 0;
  std::function<void(int64_t first, int64_t last, const SeePlaylist& see)> visit;
};

// The training playlists of a dataset, which must outlive the source; held-out ones are left out of
// the numbering.
PlaylistSource training_playlists(const data::Dataset& dataset);

// This rank's part of the matrix playlists x tracks: the rows of its playlists and the columns of
// its tracks.
struct Interactions {
  int64_t num_playlists = 0, num_tracks = 0, num_entries = 0;  // of all ranks
  std::vector<int64_t> playlist_split, track_split;  // [ranks + 1], equal work on each rank
  SparseRows by_playlist;                            // own playlists -> tracks, in their order
  SparseRows by_track;                               // own tracks -> playlists, ascending
  std::vector<int32_t> track_counts;                 // [num_tracks], playlists of each
};

// Work of a row of so many entries, in any unit.
using RowCost = std::function<int64_t(int64_t num_entries)>;

// Shares the matrix out. A rank reads its share of the playlists twice, once for the sizes and once
// to keep them; columns travel from rank to rank in pieces. Collective.
Interactions share_interactions(const PlaylistSource& source, const RowCost& cost,
                                Communicator& comm);

// Borders of `num_parts` runs of consecutive items of about equal cost, at multiples of `block`:
// [num_parts + 1].
std::vector<int64_t> split_by_cost(std::span<const int32_t> num_entries, const RowCost& cost,
                                   int64_t block, int num_parts);

}  // namespace tutti::ids
