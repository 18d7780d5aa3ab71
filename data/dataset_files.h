#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/catalog.h"
#include "data/dataset.h"
#include "data/string_table.h"

namespace tutti::data {

// The HDF5 files of a dataset folder; data/README.md has their layout. Reading throws DataError on
// wrong shapes and on rows that point nowhere.

constexpr const char* kCatalogFile = "catalog.h5";
constexpr const char* kTitlesFile = "titles.h5";
std::string shard_file(int64_t shard);  // "playlists-00000.h5"

// `train_counts` [num_tracks]: training playlists that hold the track.
void write_catalog(const std::filesystem::path& path, const Catalog& catalog,
                   const std::vector<int32_t>& train_counts);
Catalog read_catalog(const std::filesystem::path& path);
std::vector<int32_t> read_train_counts(const std::filesystem::path& path);

void write_titles(const std::filesystem::path& path, const TitleTable& titles);
TitleTable read_titles(const std::filesystem::path& path);

// What a shard stores beside its PlaylistBlock.
struct PlaylistDetails {
  StringTable keys;                  // [size], the user's ids
  std::vector<int64_t> modified_at;  // [size], Unix seconds, 0 when unknown
};
void write_shard(const std::filesystem::path& path, const PlaylistBlock& block,
                 const PlaylistDetails& details);

// DataError unless every value lies in [lowest, bound).
void check_rows(const std::vector<int32_t>& values, int64_t lowest, int64_t bound,
                const std::string& file, const std::string& dataset);

}  // namespace tutti::data
