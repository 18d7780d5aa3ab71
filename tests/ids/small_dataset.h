#pragma once

#include <filesystem>

#include <fmt/format.h>

#include "data/dataset_writer.h"
#include "dist/runtime/rng.h"

namespace tutti::ids {

// A dataset folder of random playlists over `num_tracks` tracks of ten artists: four tracks in five
// of a playlist share its theme. Some playlists are held out.
inline Manifest write_small_dataset(const std::filesystem::path& path, int num_tracks,
                                    int num_playlists, double held_out = 0.3) {
  data::DatasetOptions options;
  options.split.unseen_titles = 0;
  options.split.held_out = held_out;
  options.min_tracks = 1;
  data::DatasetWriter writer(path, options, {{"command", "test"}}, false);
  for (int t = 0; t < num_tracks; ++t) {
    const std::string key = fmt::format("t{}", t), artist = fmt::format("a{}", t % 10);
    const std::string album = fmt::format("b{}", t % 20);
    writer.add_track({key, key, artist, artist, album, album, 0, {}});
  }
  for (int p = 0; p < num_playlists; ++p) {
    Rng rng(5, Purpose::kTest, p);
    std::vector<int32_t> tracks;
    for (uint64_t i = 0, n = 3 + rng.below(6); i < n; ++i) {
      auto track = static_cast<int32_t>(rng.below(num_tracks));
      if (rng.below(5) > 0) track = track / 4 * 4 + p % 4;
      if (track < num_tracks) tracks.push_back(track);
    }
    if (tracks.empty()) tracks.push_back(0);
    writer.add_playlist(fmt::format("p{}", p), fmt::format("title {}", p), tracks, p);
  }
  return writer.finish();
}

}  // namespace tutti::ids
