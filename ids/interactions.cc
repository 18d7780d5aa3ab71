#include "ids/interactions.h"

#include <algorithm>
#include <functional>

namespace tutti::ids {
namespace {

constexpr int64_t kPlaylistsPerRead = 8192;

// Calls `visit` with the tracks of each training playlist, in order of the dataset.
void for_each_training_playlist(const data::Dataset& dataset,
                                const std::function<void(std::span<const int32_t>)>& visit) {
  const int64_t num_playlists = dataset.num_playlists();
  for (int64_t first = 0; first < num_playlists; first += kPlaylistsPerRead) {
    const auto block = dataset.read(first, std::min(num_playlists, first + kPlaylistsPerRead));
    for (int64_t i = 0; i < block.size(); ++i) {
      if (block.parts[i] == data::Part::kTrain) visit(block.tracks_of(i));
    }
  }
}

}  // namespace

std::vector<int64_t> split_by_cost(std::span<const int32_t> costs, int64_t extra_cost,
                                   int num_parts) {
  int64_t total = 0;
  for (int32_t cost : costs) total += cost + extra_cost;
  std::vector<int64_t> split{0};
  int64_t sum = 0;
  for (int64_t i = 0; i < std::ssize(costs); ++i) {
    // Part p ends where the running cost passes p + 1 of num_parts equal shares.
    while (std::ssize(split) < num_parts && sum * num_parts >= total * std::ssize(split)) {
      split.push_back(i);
    }
    sum += costs[i] + extra_cost;
  }
  split.resize(num_parts + 1, std::ssize(costs));
  return split;
}

Interactions read_interactions(const data::Dataset& dataset, int64_t row_cost,
                               const Communicator& comm) {
  Interactions result;
  result.num_tracks = dataset.num_tracks();
  result.track_counts.resize(result.num_tracks);
  std::vector<int32_t> playlist_sizes;
  for_each_training_playlist(dataset, [&](std::span<const int32_t> tracks) {
    playlist_sizes.push_back(static_cast<int32_t>(tracks.size()));
    result.num_entries += std::ssize(tracks);
    for (int32_t track : tracks) ++result.track_counts[track];
  });
  result.num_playlists = std::ssize(playlist_sizes);
  result.playlist_split = split_by_cost(playlist_sizes, row_cost, comm.size());
  result.track_split = split_by_cost(result.track_counts, row_cost, comm.size());

  const int64_t first_playlist = result.playlist_split[comm.rank()];
  const int64_t last_playlist = result.playlist_split[comm.rank() + 1];
  const int64_t first_track = result.track_split[comm.rank()];
  const int64_t last_track = result.track_split[comm.rank() + 1];
  auto& by_track = result.by_track;
  for (int64_t t = first_track; t < last_track; ++t) {
    by_track.offsets.push_back(by_track.offsets.back() + result.track_counts[t]);
  }
  by_track.columns.resize(by_track.offsets.back());
  auto next = by_track.offsets;
  int64_t playlist = 0;
  for_each_training_playlist(dataset, [&](std::span<const int32_t> tracks) {
    if (playlist >= first_playlist && playlist < last_playlist) {
      auto& mine = result.by_playlist;
      mine.columns.insert(mine.columns.end(), tracks.begin(), tracks.end());
      mine.offsets.push_back(std::ssize(mine.columns));
    }
    for (int32_t track : tracks) {
      if (track < first_track || track >= last_track) continue;
      by_track.columns[next[track - first_track]++] = static_cast<int32_t>(playlist);
    }
    ++playlist;
  });
  return result;
}

}  // namespace tutti::ids
