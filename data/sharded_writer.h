#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "data/catalog.h"
#include "data/dataset.h"
#include "data/split.h"
#include "dist/communicator.h"
#include "dist/runtime/artefact.h"

namespace tutti::data {

struct ShardedDatasetOptions {
  std::filesystem::path out;  // on a file system that all ranks see
  bool overwrite = false;
  nlohmann::json config;  // what goes into the manifest (no paths)
  SplitOptions split;
  int64_t num_playlists = 0, num_tracks = 0;
  int64_t playlists_per_shard = 100'000;
};

// Writes a dataset whose number of playlists and tracks is known, over all ranks. Each rank writes
// whole shards, which are cut at fixed playlist numbers: the bytes are those that DatasetWriter
// writes for the same playlists, at any world size. Playlists are not cleaned: their tracks have to
// be distinct, their titles must not be empty when normalised.
//
// Memory of a rank: one shard of playlists, the titles, 4 bytes a track.
//
//   ShardedDatasetWriter writer(options, comm);
//   for (i in writer.own()) writer.declare_title(title of i);
//   writer.share_titles();
//   for (i in writer.own()) writer.add_playlist(...);
//   writer.finish(...);
//
// The calls marked collective are made by all ranks. When one throws, or give_up() was called,
// nothing appears at `out`.
class ShardedDatasetWriter {
 public:
  ShardedDatasetWriter(ShardedDatasetOptions options, Communicator& comm);  // collective
  ~ShardedDatasetWriter();
  ShardedDatasetWriter(const ShardedDatasetWriter&) = delete;
  ShardedDatasetWriter& operator=(const ShardedDatasetWriter&) = delete;

  Range own() const;  // the playlists of this rank

  // The title of the next playlist of this rank, as written.
  void declare_title(std::string_view raw);
  void share_titles();  // collective
  const TitleTable& titles() const;

  // The next playlist of this rank. StorageError when a shard cannot be written.
  void add_playlist(std::string_view key, std::string_view title, std::span<const int32_t> tracks,
                    int64_t modified_at);

  // `catalog`: read on rank 0 only, may be null elsewhere. Collective; the same manifest on all
  // ranks.
  Manifest finish(const Catalog* catalog, std::map<std::string, std::string> made_from = {});
  // Removes what was written. Collective.
  void give_up();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::data
