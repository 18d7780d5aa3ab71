#pragma once

#include <filesystem>
#include <functional>

#include "data/dataset.h"
#include "data/split.h"
#include "data/synth/catalog_options.h"
#include "data/synth/generated_catalog.h"
#include "data/synth/options.h"
#include "data/synth/statistics.h"
#include "dist/communicator.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/thread_pool.h"

namespace tutti::data {

// Where simulated playlists go, and who makes them.
struct SynthRun {
  std::filesystem::path out;
  bool overwrite = false;
  SplitOptions split;
  Communicator& comm;
  ThreadPool& pool;
  // Gets the playlists written so far by all ranks together, on rank 0, now and then.
  std::function<void(int64_t)> on_progress = {};
  int64_t playlists_per_shard = 25'000;  // what a rank writes at once; part of the bytes
};

struct SynthResult {
  Manifest manifest;
  SynthStatistics statistics;
  SharedNames shared_names;  // of a generated catalogue, on rank 0
};

// Writes options.num_playlists simulated playlists over the catalogue of `source` as a dataset;
// playlist i has the key "synth-i". The same options give the same bytes at any world size and
// number of threads. All ranks make the call. Errors as PlaylistGenerator and ShardedDatasetWriter,
// on all ranks alike; then nothing appears.
SynthResult synthesize(const Dataset& source, const SynthOptions& options, const SynthRun& run);

// The same over a generated catalogue, see ScenePlaylists.
SynthResult synthesize(const CatalogOptions& catalog, const SynthOptions& options,
                       const SynthRun& run);

// The options as they go into the manifest.
nlohmann::json to_json(const SynthOptions& options);
nlohmann::json to_json(const CatalogOptions& options);

}  // namespace tutti::data
