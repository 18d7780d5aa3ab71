#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "data/dataset_writer.h"
#include "dist/runtime/artefact.h"

namespace tutti::data {

// A playlist as an input file has it; the views live until the sink returns.
struct PlaylistRow {
  std::string_view key, title;
  std::span<const TrackRow> tracks;
  int64_t modified_at = 0;  // Unix seconds, 0 when unknown
  std::string_view file;    // that it was read from
  double fraction = 0;      // of the input that was read so far
};
using PlaylistSink = std::function<void(const PlaylistRow&)>;

// Gives every playlist of the input to the sink, in the input's order. Called once a pass.
using PlaylistReader = std::function<void(const PlaylistSink&)>;

struct ImportOptions {
  DatasetOptions dataset;
  // Tracks in fewer playlists of the input (before any cleaning) are taken out of all playlists.
  // Above 1 the input is read twice.
  int64_t min_track_count = 1;
  bool overwrite = false;
  nlohmann::json config;                                                       // for the manifest
  std::function<void(int pass, double fraction, int64_t playlists)> progress;  // may be empty
};

// Reads, cleans and stores all playlists. DataError when none is left.
Manifest import_playlists(const PlaylistReader& reader, const std::filesystem::path& out,
                          const ImportOptions& options);

// Titles whose playlists are dropped: one a line, normalised here. Plain or gzip.
std::set<std::string, std::less<>> read_stop_titles(const std::filesystem::path& path);

}  // namespace tutti::data
