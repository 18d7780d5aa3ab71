#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "data/catalog.h"
#include "data/split.h"
#include "dist/runtime/artefact.h"

namespace tutti::data {

struct DatasetOptions {
  SplitOptions split;
  std::shared_ptr<const SplitFile> given_split;    // null: parts by hash, see split.h
  int64_t min_tracks = 2;                          // distinct tracks a playlist needs
  int64_t min_title_words = 1;                     // words of the normalised title
  std::set<std::string, std::less<>> stop_titles;  // normalised; their playlists are dropped
  bool strict = false;                             // dirty data is an error, not cleaned
  int64_t playlists_per_shard = 100'000;           // bounds the memory of the writer
};

// What cleaning did. The first group is dirt, which `strict` refuses; the second are filters the
// user chose.
struct CleaningReport {
  int64_t playlists_read = 0;
  int64_t playlists_kept = 0;

  int64_t playlists_repeating_a_track = 0;  // cleaned: the first occurrence stays
  int64_t repeated_tracks_removed = 0;      // entries
  int64_t dropped_empty_title = 0;          // no letter, digit or emoji
  int64_t dropped_no_tracks = 0;            // no track at all
  int64_t invalid_utf8_replaced = 0;        // strings, bad bytes become U+FFFD
  int64_t not_in_split_file = 0;            // playlists, they go to training

  int64_t dropped_few_tracks = 0;       // below min_tracks
  int64_t dropped_few_title_words = 0;  // below min_title_words
  int64_t dropped_stop_title = 0;
  int64_t rare_tracks_removed = 0;  // entries of tracks below --min-track-count
};
nlohmann::json to_json(const CleaningReport& report);

// What is known of a track. Only the key is needed. An artist (album) without a key is known by its
// name, an album name together with the artist; both empty means unknown.
struct TrackRow {
  std::string_view key = {}, name = {};
  std::string_view artist_key = {}, artist_name = {};
  std::string_view album_key = {}, album_name = {};
  double duration_s = 0;
  std::span<const std::string_view> tags = {};
};

// Writes a dataset playlist by playlist. Memory grows with distinct tracks, artists, albums, tags
// and titles, and holds one shard of playlists. The same calls give the same bytes. Nothing appears
// at `out` unless finish() returns.
class DatasetWriter {
 public:
  // `config`: what goes into the manifest (no paths). UsageError when `out` exists and not
  // `overwrite`, StorageError when it cannot be written.
  DatasetWriter(std::filesystem::path out, DatasetOptions options, nlohmann::json config,
                bool overwrite);
  ~DatasetWriter();
  DatasetWriter(const DatasetWriter&) = delete;
  DatasetWriter& operator=(const DatasetWriter&) = delete;

  // Starts from an existing catalog, rows as they are. Call before the first track or playlist.
  void set_catalog(const Catalog& catalog);

  // The row of the track with this key, added when it is not there yet; then what the first call
  // said of it stays.
  int32_t add_track(const TrackRow& track);
  bool has_track(std::string_view key) const;

  // The file that what follows was read from: named in errors.
  void set_source(std::string_view file);

  // Cleans the playlist by the rules of CleaningReport and stores it, or drops and counts it.
  // `key`: the user's id of the playlist; decides its part. DataError under `strict`, naming the
  // playlist and what is wrong.
  void add_playlist(std::string_view key, std::string_view title, std::span<const int32_t> tracks,
                    int64_t modified_at = 0);
  // The same, with tracks that need not be known: those of dropped playlists do not enter the
  // catalog.
  void add_playlist(std::string_view key, std::string_view title, std::span<const TrackRow> tracks,
                    int64_t modified_at = 0);

  CleaningReport& cleaning();  // an importer counts its own filters here
  const Catalog& catalog() const;

  // Writes catalog and titles, and makes the dataset appear. DataError when a given split names
  // none of the playlists. `made_from`: role -> hash of artefacts that the content comes from.
  // manifest.counts: playlists, entries, tracks, artists, albums, tags, raw_titles,
  // normalized_titles, train, validation, test (playlists), shards, cleaning.
  Manifest finish(std::map<std::string, std::string> made_from = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::data
