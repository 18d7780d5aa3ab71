#include "data/dataset_writer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "data/dataset_counts.h"
#include "data/dataset_files.h"
#include "data/normalizer.h"
#include "data/string_index.h"
#include "dist/runtime/errors.h"

namespace tutti::data {

nlohmann::json to_json(const CleaningReport& report) {
  return {{"playlists_read", report.playlists_read},
          {"playlists_kept", report.playlists_kept},
          {"playlists_repeating_a_track", report.playlists_repeating_a_track},
          {"repeated_tracks_removed", report.repeated_tracks_removed},
          {"dropped_empty_title", report.dropped_empty_title},
          {"dropped_no_tracks", report.dropped_no_tracks},
          {"invalid_utf8_replaced", report.invalid_utf8_replaced},
          {"not_in_split_file", report.not_in_split_file},
          {"dropped_few_tracks", report.dropped_few_tracks},
          {"dropped_few_title_words", report.dropped_few_title_words},
          {"dropped_stop_title", report.dropped_stop_title},
          {"rare_tracks_removed", report.rare_tracks_removed}};
}

struct DatasetWriter::Impl {
  Impl(std::filesystem::path out, DatasetOptions options_given, nlohmann::json config_given,
       bool overwrite)
      : options(std::move(options_given)),
        config(std::move(config_given)),
        artefact(std::move(out), "dataset", overwrite) {}

  DatasetOptions options;
  nlohmann::json config;
  ArtefactWriter artefact;
  std::string source;
  CleaningReport cleaning;

  Catalog catalog;
  StringIndex track_index, artist_index, album_index, tag_index;
  std::vector<int32_t> train_counts;  // [num_tracks]
  std::vector<int64_t> last_seen;     // [num_tracks], the last playlist that was found to hold it

  TitleTable titles;
  StringIndex raw_index, normalized_index;

  PlaylistBlock block;  // the shard being filled
  PlaylistDetails details;
  DatasetTotals totals;
  int64_t num_matched_by_split = 0;

  // Dirt is an error under --strict.
  void refuse_if_strict(std::string_view key, const std::string& found,
                        const std::string& without) const {
    if (!options.strict) return;
    throw DataError(
        {source, fmt::format("playlist '{}'", key), found, "", "without --strict " + without});
  }

  // `text` itself, or its repaired form in `storage`.
  std::string_view repaired(std::string_view text, std::string* storage) {
    if (is_valid_utf8(text)) return text;
    if (options.strict) {
      throw DataError({source, "", fmt::format("'{}' is not UTF-8", to_valid_utf8(text)),
                       "UTF-8 text", "without --strict the bad bytes are replaced"});
    }
    ++cleaning.invalid_utf8_replaced;
    *storage = to_valid_utf8(text);
    return *storage;
  }

  int32_t add_entity(StringTable* keys, StringTable* names, StringIndex* index,
                     std::string_view key, std::string_view name) {
    std::string key_storage, name_storage;
    const int32_t row = index->add(*keys, repaired(key, &key_storage));
    if (row == names->size()) names->push_back(repaired(name, &name_storage));
    return row;
  }

  int32_t add_track(const TrackRow& track) {
    std::string storage;
    const std::string_view key = repaired(track.key, &storage);
    const int32_t row = track_index.add(catalog.track_keys, key);
    if (row < std::ssize(catalog.track_artist)) return row;

    std::string name_storage;
    catalog.track_names.push_back(repaired(track.name, &name_storage));
    const std::string_view artist = track.artist_key.empty() ? track.artist_name : track.artist_key;
    catalog.track_artist.push_back(artist.empty()
                                       ? -1
                                       : add_entity(&catalog.artist_keys, &catalog.artist_names,
                                                    &artist_index, artist, track.artist_name));
    std::string album(track.album_key);
    if (album.empty() && !track.album_name.empty()) {
      album = fmt::format("{} - {}", artist, track.album_name);
    }
    catalog.track_album.push_back(album.empty()
                                      ? -1
                                      : add_entity(&catalog.album_keys, &catalog.album_names,
                                                   &album_index, album, track.album_name));
    catalog.track_duration_s.push_back(static_cast<float>(track.duration_s));
    add_tags(track.tags);
    train_counts.push_back(0);
    last_seen.push_back(-1);
    return row;
  }

  void add_tags(std::span<const std::string_view> names) {
    std::vector<int32_t> rows;
    for (const std::string_view name : names) {
      std::string storage;
      rows.push_back(tag_index.add(catalog.tag_names, repaired(name, &storage)));
    }
    std::ranges::sort(rows);
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    catalog.tags.insert(catalog.tags.end(), rows.begin(), rows.end());
    catalog.tag_offsets.push_back(std::ssize(catalog.tags));
  }

  // The normalised title; empty when the playlist is dropped for it.
  std::string check_title(std::string_view key, std::string_view title) {
    std::string normalized = normalize_title(title);
    if (normalized.empty()) {
      refuse_if_strict(key, fmt::format("title '{}' has no letter, digit or emoji", title),
                       "the playlist is dropped");
      ++cleaning.dropped_empty_title;
      return {};
    }
    if (options.stop_titles.contains(normalized)) {
      ++cleaning.dropped_stop_title;
      return {};
    }
    if (std::ssize(words_of(normalized)) < options.min_title_words) {
      ++cleaning.dropped_few_title_words;
      return {};
    }
    return normalized;
  }

  // Counts repeats; false when too few distinct tracks are left.
  bool check_tracks(std::string_view key, size_t num_given, size_t num_distinct) {
    if (num_given == 0) {
      refuse_if_strict(key, "no tracks", "the playlist is dropped");
      ++cleaning.dropped_no_tracks;
      return false;
    }
    if (num_distinct < num_given) {
      refuse_if_strict(key, fmt::format("{} repeated tracks", num_given - num_distinct),
                       "the first of each is kept");
      ++cleaning.playlists_repeating_a_track;
      cleaning.repeated_tracks_removed += static_cast<int64_t>(num_given - num_distinct);
    }
    if (static_cast<int64_t>(num_distinct) < options.min_tracks) {
      ++cleaning.dropped_few_tracks;
      return false;
    }
    return true;
  }

  Part part_for(std::string_view key, std::string_view normalized) {
    if (!options.given_split) return part_of(options.split, normalized, key);
    if (const auto part = options.given_split->find(key)) {
      ++num_matched_by_split;
      return *part;
    }
    if (options.strict) {
      throw DataError({options.given_split->path(), "", fmt::format("no playlist '{}'", key),
                       "a part for every playlist", "without --strict it goes to training"});
    }
    ++cleaning.not_in_split_file;
    return Part::kTrain;
  }

  void store(std::string_view key, std::string_view title, const std::string& normalized,
             std::span<const int32_t> tracks, int64_t modified_at) {
    const Part part = part_for(key, normalized);
    std::string title_storage, key_storage;
    const int32_t raw = raw_index.add(titles.raw, repaired(title, &title_storage));
    if (raw == std::ssize(titles.normalized_of)) {
      titles.normalized_of.push_back(normalized_index.add(titles.normalized, normalized));
      titles.train_playlists_of.resize(static_cast<size_t>(titles.normalized.size()), 0);
    }
    if (part == Part::kTrain) {
      ++titles.train_playlists_of[titles.normalized_of[raw]];
      for (const int32_t track : tracks) ++train_counts[track];
    }
    block.tracks.insert(block.tracks.end(), tracks.begin(), tracks.end());
    block.offsets.push_back(std::ssize(block.tracks));
    block.titles.push_back(raw);
    block.parts.push_back(part);
    details.keys.push_back(repaired(key, &key_storage));
    details.modified_at.push_back(modified_at);
    totals.entries += std::ssize(tracks);
    ++totals.playlists_in[static_cast<size_t>(part)];
    ++cleaning.playlists_kept;
    if (block.size() >= options.playlists_per_shard) write_block();
  }

  void write_block() {
    if (block.size() == 0) return;
    const std::string file = shard_file(std::ssize(totals.shards));
    write_shard(artefact.file(file), block, details);
    totals.shards.push_back({{"first", block.first},
                             {"playlists", block.size()},
                             {"entries", std::ssize(block.tracks)}});
    const int64_t next = block.first + block.size();
    block = PlaylistBlock();
    block.first = next;
    details = PlaylistDetails();
  }
};

DatasetWriter::DatasetWriter(std::filesystem::path out, DatasetOptions options,
                             nlohmann::json config, bool overwrite)
    : impl_(std::make_unique<Impl>(std::move(out), std::move(options), std::move(config),
                                   overwrite)) {}
DatasetWriter::~DatasetWriter() = default;

CleaningReport& DatasetWriter::cleaning() {
  return impl_->cleaning;
}
const Catalog& DatasetWriter::catalog() const {
  return impl_->catalog;
}

void DatasetWriter::set_catalog(const Catalog& catalog) {
  TUTTI_CHECK(impl_->catalog.num_tracks() == 0, "the catalog is set before the first track");
  impl_->catalog = catalog;
  impl_->track_index = StringIndex(catalog.track_keys);
  impl_->artist_index = StringIndex(catalog.artist_keys);
  impl_->album_index = StringIndex(catalog.album_keys);
  impl_->tag_index = StringIndex(catalog.tag_names);
  impl_->train_counts.assign(static_cast<size_t>(catalog.num_tracks()), 0);
  impl_->last_seen.assign(static_cast<size_t>(catalog.num_tracks()), -1);
}

void DatasetWriter::set_source(std::string_view file) {
  if (impl_->source != file) impl_->source = file;
}

int32_t DatasetWriter::add_track(const TrackRow& track) {
  return impl_->add_track(track);
}

bool DatasetWriter::has_track(std::string_view key) const {
  return impl_->track_index.find(impl_->catalog.track_keys, key) >= 0;
}

void DatasetWriter::add_playlist(std::string_view key, std::string_view title,
                                 std::span<const int32_t> tracks, int64_t modified_at) {
  const int64_t stamp = impl_->cleaning.playlists_read++;
  const std::string normalized = impl_->check_title(key, title);
  if (normalized.empty()) return;
  std::vector<int32_t> distinct;
  distinct.reserve(tracks.size());
  for (const int32_t track : tracks) {
    TUTTI_CHECK(track >= 0 && track < impl_->catalog.num_tracks());
    if (std::exchange(impl_->last_seen[track], stamp) != stamp) distinct.push_back(track);
  }
  if (!impl_->check_tracks(key, tracks.size(), distinct.size())) return;
  impl_->store(key, title, normalized, distinct, modified_at);
}

void DatasetWriter::add_playlist(std::string_view key, std::string_view title,
                                 std::span<const TrackRow> tracks, int64_t modified_at) {
  const int64_t stamp = impl_->cleaning.playlists_read++;
  const std::string normalized = impl_->check_title(key, title);
  if (normalized.empty()) return;
  std::unordered_set<std::string_view> keys;
  std::vector<const TrackRow*> distinct;
  for (const TrackRow& track : tracks) {
    if (keys.insert(track.key).second) distinct.push_back(&track);
  }
  if (!impl_->check_tracks(key, tracks.size(), distinct.size())) return;
  std::vector<int32_t> rows;
  rows.reserve(distinct.size());
  for (const TrackRow* track : distinct) {
    // Keys that differ only in bytes that are no UTF-8 become one track.
    const int32_t row = impl_->add_track(*track);
    if (std::exchange(impl_->last_seen[row], stamp) != stamp) rows.push_back(row);
  }
  impl_->store(key, title, normalized, rows, modified_at);
}

Manifest DatasetWriter::finish(std::map<std::string, std::string> made_from) {
  Impl& w = *impl_;
  if (w.options.given_split && w.num_matched_by_split == 0 && w.cleaning.playlists_kept > 0) {
    throw DataError({w.options.given_split->path(), "", "no playlist of the input",
                     "playlist ids as in the input", ""});
  }
  w.write_block();
  write_titles(w.artefact.file(kTitlesFile), w.titles);
  write_catalog(w.artefact.file(kCatalogFile), w.catalog, w.train_counts);

  Manifest manifest;
  manifest.kind = "dataset";
  manifest.config = w.config;
  manifest.made_from = std::move(made_from);
  manifest.counts = dataset_counts(w.catalog, w.titles, w.totals);
  manifest.counts["cleaning"] = to_json(w.cleaning);
  return w.artefact.commit(std::move(manifest));
}

}  // namespace tutti::data
