#include "ids/interactions.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "ids/gram.h"

namespace tutti::ids {
namespace {

constexpr int64_t kPlaylistsPerRead = 16384;
constexpr int64_t kPlaylistsPerMessage = 65536;

// Playlists of each size, and how many playlists hold each track.
struct Counts {
  std::vector<int32_t> playlist_sizes, track_counts;
};

Counts count_entries(const PlaylistSource& source, Communicator& comm) {
  Counts counts;
  counts.playlist_sizes.resize(source.num_playlists);
  counts.track_counts.resize(source.num_tracks);
  const auto range = owned_range(source.num_playlists, 1, comm.rank(), comm.size());
  source.visit(range.first, range.last, [&](int64_t playlist, std::span<const int32_t> tracks) {
    counts.playlist_sizes[playlist] = static_cast<int32_t>(tracks.size());
    for (int32_t track : tracks) ++counts.track_counts[track];
  });
  comm.all_reduce(counts.playlist_sizes.data(), source.num_playlists, DType::kInt32,
                  ReduceOp::kSum);
  comm.all_reduce(counts.track_counts.data(), source.num_tracks, DType::kInt32, ReduceOp::kSum);
  return counts;
}

// The columns of this rank's tracks. Playlists are told in their order, rank by rank, so that each
// column comes out ascending at any world size.
SparseRows gather_columns(const Interactions& part, std::span<const int32_t> playlist_sizes,
                          Communicator& comm) {
  SparseRows columns;
  const int64_t first_track = part.track_split[comm.rank()];
  const int64_t num_tracks = part.track_split[comm.rank() + 1] - first_track;
  columns.offsets.resize(num_tracks + 1);
  std::inclusive_scan(part.track_counts.begin() + first_track,
                      part.track_counts.begin() + first_track + num_tracks,
                      columns.offsets.begin() + 1, std::plus<>(), int64_t{0});
  columns.columns.resize(columns.offsets.back());
  auto next = columns.offsets;
  std::vector<int32_t> message;
  for (int rank = 0; rank < comm.size(); ++rank) {
    const int64_t begin = part.playlist_split[rank], end = part.playlist_split[rank + 1];
    for (int64_t first = begin; first < end; first += kPlaylistsPerMessage) {
      const auto sizes = playlist_sizes.subspan(first, std::min(end - first, kPlaylistsPerMessage));
      message.resize(std::accumulate(sizes.begin(), sizes.end(), int64_t{0}));
      if (rank == comm.rank()) {
        const auto& mine = part.by_playlist;
        std::copy_n(mine.columns.begin() + mine.offsets[first - begin], message.size(),
                    message.begin());
      }
      comm.broadcast(message.data(), std::ssize(message) * static_cast<int64_t>(sizeof(int32_t)),
                     rank);
      const int32_t* track = message.data();
      for (int64_t i = 0; i < std::ssize(sizes); ++i) {
        for (const int32_t* last = track + sizes[i]; track < last; ++track) {
          const auto own = static_cast<uint64_t>(*track - first_track);
          if (own >= static_cast<uint64_t>(num_tracks)) continue;
          columns.columns[next[own]++] = static_cast<int32_t>(first + i);
        }
      }
    }
  }
  return columns;
}

}  // namespace

PlaylistSource training_playlists(const data::Dataset& dataset) {
  auto rows = std::make_shared<const std::vector<int64_t>>(
      dataset.playlists_in(data::Part::kTrain));  // training playlist -> playlist of the dataset
  PlaylistSource source{std::ssize(*rows), dataset.num_tracks(), {}};
  source.visit = [rows, &dataset](int64_t first, int64_t last, const SeePlaylist& see) {
    for (int64_t begin = first; begin < last; begin += kPlaylistsPerRead) {
      const int64_t end = std::min(last, begin + kPlaylistsPerRead);
      const auto block = dataset.read((*rows)[begin], (*rows)[end - 1] + 1);
      for (int64_t i = begin; i < end; ++i) see(i, block.tracks_of((*rows)[i] - block.first));
    }
  };
  return source;
}

std::vector<int64_t> split_by_cost(std::span<const int32_t> num_entries, const RowCost& cost,
                                   int64_t block, int num_parts) {
  double total = 0;
  for (int32_t n : num_entries) total += static_cast<double>(cost(n));
  std::vector<int64_t> split{0};
  double sum = 0;
  for (int64_t i = 0; i < std::ssize(num_entries); ++i) {
    // Part p ends at the block that reaches p + 1 of num_parts equal shares.
    while (i % block == 0 && std::ssize(split) < num_parts &&
           sum * num_parts >= total * static_cast<double>(split.size())) {
      split.push_back(i);
    }
    sum += static_cast<double>(cost(num_entries[i]));
  }
  split.resize(num_parts + 1, std::ssize(num_entries));
  return split;
}

Interactions share_interactions(const PlaylistSource& source, const RowCost& cost,
                                Communicator& comm) {
  Interactions result;
  result.num_playlists = source.num_playlists;
  result.num_tracks = source.num_tracks;
  auto counts = count_entries(source, comm);
  result.track_counts = std::move(counts.track_counts);
  result.playlist_split = split_by_cost(counts.playlist_sizes, cost, kFactorBlock, comm.size());
  result.track_split = split_by_cost(result.track_counts, cost, kFactorBlock, comm.size());

  const int64_t first = result.playlist_split[comm.rank()];
  const int64_t last = result.playlist_split[comm.rank() + 1];
  auto& mine = result.by_playlist;
  for (int64_t i = first; i < last; ++i) {
    mine.offsets.push_back(mine.offsets.back() + counts.playlist_sizes[i]);
  }
  mine.columns.reserve(mine.offsets.back());
  source.visit(first, last, [&](int64_t /*playlist*/, std::span<const int32_t> tracks) {
    mine.columns.insert(mine.columns.end(), tracks.begin(), tracks.end());
  });
  result.num_entries = comm.sum(mine.offsets.back());
  result.by_track = gather_columns(result, counts.playlist_sizes, comm);
  return result;
}

}  // namespace tutti::ids
