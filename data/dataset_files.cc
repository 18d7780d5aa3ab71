#include "data/dataset_files.h"

#include <fmt/format.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

void check_size(int64_t found, int64_t expected, const std::filesystem::path& path,
                const std::string& dataset) {
  if (found == expected) return;
  throw DataError({path.string(), fmt::format("dataset '{}'", dataset),
                   fmt::format("{} rows", found), std::to_string(expected), ""});
}

}  // namespace

std::string shard_file(int64_t shard) {
  return fmt::format("playlists-{:05}.h5", shard);
}

void check_rows(const std::vector<int32_t>& values, int64_t lowest, int64_t bound,
                const std::string& file, const std::string& dataset) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= lowest && values[i] < bound) continue;
    throw DataError({file, fmt::format("dataset '{}', row {}", dataset, i),
                     std::to_string(values[i]), fmt::format("{} to {}", lowest, bound - 1), ""});
  }
}

void write_catalog(const std::filesystem::path& path, const Catalog& catalog,
                   const std::vector<int32_t>& train_counts) {
  Hdf5File file = Hdf5File::create(path);
  file.write_strings("track_keys", catalog.track_keys);
  file.write_strings("track_names", catalog.track_names);
  file.write_strings("artist_keys", catalog.artist_keys);
  file.write_strings("artist_names", catalog.artist_names);
  file.write_strings("album_keys", catalog.album_keys);
  file.write_strings("album_names", catalog.album_names);
  file.write_strings("tag_names", catalog.tag_names);
  file.write("track_artist", std::span(catalog.track_artist));
  file.write("track_album", std::span(catalog.track_album));
  file.write("track_duration_s", std::span(catalog.track_duration_s));
  file.write("tag_offsets", std::span(catalog.tag_offsets));
  file.write("tags", std::span(catalog.tags));
  file.write("train_counts", std::span(train_counts));
  file.close();
}

Catalog read_catalog(const std::filesystem::path& path) {
  const Hdf5File file = Hdf5File::open(path);
  Catalog catalog;
  catalog.track_keys = file.read_strings("track_keys");
  catalog.track_names = file.read_strings("track_names");
  catalog.artist_keys = file.read_strings("artist_keys");
  catalog.artist_names = file.read_strings("artist_names");
  catalog.album_keys = file.read_strings("album_keys");
  catalog.album_names = file.read_strings("album_names");
  catalog.tag_names = file.read_strings("tag_names");
  catalog.track_artist = file.read<int32_t>("track_artist");
  catalog.track_album = file.read<int32_t>("track_album");
  catalog.track_duration_s = file.read<float>("track_duration_s");
  catalog.tag_offsets = file.read<int64_t>("tag_offsets");
  catalog.tags = file.read<int32_t>("tags");

  const int64_t n = catalog.num_tracks();
  check_size(catalog.track_names.size(), n, path, "track_names");
  check_size(catalog.artist_names.size(), catalog.artist_keys.size(), path, "artist_names");
  check_size(catalog.album_names.size(), catalog.album_keys.size(), path, "album_names");
  check_size(std::ssize(catalog.track_artist), n, path, "track_artist");
  check_size(std::ssize(catalog.track_album), n, path, "track_album");
  check_size(std::ssize(catalog.track_duration_s), n, path, "track_duration_s");
  check_size(std::ssize(catalog.tag_offsets), n + 1, path, "tag_offsets");
  const std::string name = path.string();
  check_offsets(catalog.tag_offsets, std::ssize(catalog.tags), name, "tag_offsets");
  check_rows(catalog.tags, 0, catalog.tag_names.size(), name, "tags");
  check_rows(catalog.track_artist, -1, catalog.artist_keys.size(), name, "track_artist");
  check_rows(catalog.track_album, -1, catalog.album_keys.size(), name, "track_album");
  return catalog;
}

std::vector<int32_t> read_train_counts(const std::filesystem::path& path) {
  const Hdf5File file = Hdf5File::open(path);
  std::vector<int32_t> counts = file.read<int32_t>("train_counts");
  check_size(std::ssize(counts), file.shape("track_artist")[0], path, "train_counts");
  return counts;
}

void write_titles(const std::filesystem::path& path, const TitleTable& titles) {
  Hdf5File file = Hdf5File::create(path);
  file.write_strings("raw", titles.raw);
  file.write_strings("normalized", titles.normalized);
  file.write("normalized_of", std::span(titles.normalized_of));
  file.write("train_playlists_of", std::span(titles.train_playlists_of));
  file.close();
}

TitleTable read_titles(const std::filesystem::path& path) {
  const Hdf5File file = Hdf5File::open(path);
  TitleTable titles;
  titles.raw = file.read_strings("raw");
  titles.normalized = file.read_strings("normalized");
  titles.normalized_of = file.read<int32_t>("normalized_of");
  titles.train_playlists_of = file.read<int32_t>("train_playlists_of");
  check_size(std::ssize(titles.normalized_of), titles.raw.size(), path, "normalized_of");
  check_size(std::ssize(titles.train_playlists_of), titles.normalized.size(), path,
             "train_playlists_of");
  check_rows(titles.normalized_of, 0, titles.normalized.size(), path.string(), "normalized_of");
  return titles;
}

void write_shard(const std::filesystem::path& path, const PlaylistBlock& block,
                 const PlaylistDetails& details) {
  std::vector<uint8_t> parts(block.parts.size());
  for (size_t i = 0; i < parts.size(); ++i) parts[i] = static_cast<uint8_t>(block.parts[i]);
  Hdf5File file = Hdf5File::create(path);
  file.set_attribute("first", block.first);
  file.write("offsets", std::span(block.offsets));
  file.write("tracks", std::span(block.tracks));
  file.write("titles", std::span(block.titles));
  file.write("parts", std::span<const uint8_t>(parts));
  file.write("modified_at", std::span(details.modified_at));
  file.write_strings("keys", details.keys);
  file.close();
}

}  // namespace tutti::data
