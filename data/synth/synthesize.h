#pragma once

#include <filesystem>
#include <functional>

#include "data/dataset_writer.h"
#include "data/synth/options.h"
#include "data/synth/statistics.h"

namespace tutti::data {

struct SynthResult {
  Manifest manifest;
  SynthStatistics statistics;
};

// Writes options.num_playlists simulated playlists over the catalogue of `source` as a dataset at
// `out`; playlist i has the key "synth-i". The same options give the same bytes for any number of
// threads. `on_progress` gets the playlists written so far, from the calling thread. Errors as
// PlaylistGenerator and DatasetWriter.
SynthResult synthesize(const Dataset& source, const SynthOptions& options,
                       const DatasetOptions& dataset_options, const std::filesystem::path& out,
                       bool overwrite, int num_threads,
                       const std::function<void(int64_t)>& on_progress = {});

// The options as they go into the manifest.
nlohmann::json to_json(const SynthOptions& options);

}  // namespace tutti::data
