#include "data/import/import.h"

#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "data/import/text_reader.h"
#include "data/normalizer.h"
#include "data/string_index.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

void show(const ImportOptions& options, int pass, double fraction, int64_t playlists) {
  if (options.progress) options.progress(pass, fraction, playlists);
}

// The first pass of --min-track-count: in how many playlists every track occurs.
class TrackCounter {
 public:
  void count(std::span<const TrackRow> tracks) {
    distinct_.clear();
    for (const TrackRow& track : tracks) {
      if (!distinct_.insert(track.key).second) continue;
      const int32_t row = index_.add(keys_, track.key);
      if (row == std::ssize(counts_)) counts_.push_back(0);
      ++counts_[row];
    }
  }
  int64_t count_of(std::string_view key) const {
    const int32_t row = index_.find(keys_, key);
    return row < 0 ? 0 : counts_[row];
  }

 private:
  StringTable keys_;
  StringIndex index_;
  std::vector<int32_t> counts_;
  std::unordered_set<std::string_view> distinct_;
};

}  // namespace

Manifest import_playlists(const PlaylistReader& reader, const std::filesystem::path& out,
                          const ImportOptions& options) {
  DatasetWriter writer(out, options.dataset, options.config, options.overwrite);
  TrackCounter counter;
  int pass = 1;
  const bool filter = options.min_track_count > 1;
  if (filter) {
    int64_t playlists = 0;
    reader([&](const PlaylistRow& row) {
      counter.count(row.tracks);
      show(options, pass, row.fraction, ++playlists);
    });
    ++pass;
  }

  std::vector<TrackRow> kept;
  reader([&](const PlaylistRow& row) {
    writer.set_source(row.file);
    std::span<const TrackRow> tracks = row.tracks;
    if (filter) {
      kept.clear();
      for (const TrackRow& track : tracks) {
        if (counter.count_of(track.key) >= options.min_track_count) kept.push_back(track);
      }
      writer.cleaning().rare_tracks_removed += std::ssize(tracks) - std::ssize(kept);
      tracks = kept;
    }
    // A playlist that lost its tracks to the filter is short, not dirty.
    if (tracks.empty() && !row.tracks.empty()) {
      ++writer.cleaning().playlists_read;
      ++writer.cleaning().dropped_few_tracks;
    } else {
      writer.add_playlist(row.key, row.title, tracks, row.modified_at);
    }
    show(options, pass, row.fraction, writer.cleaning().playlists_read);
  });

  const CleaningReport& cleaning = writer.cleaning();
  if (cleaning.playlists_kept == 0) {
    throw DataError(fmt::format(
        "no playlist is left of {} that were read: {} without a title, {} with a stop "
        "title, {} with too few title words, {} without tracks, {} with too few tracks",
        cleaning.playlists_read, cleaning.dropped_empty_title, cleaning.dropped_stop_title,
        cleaning.dropped_few_title_words, cleaning.dropped_no_tracks, cleaning.dropped_few_tracks));
  }
  return writer.finish();
}

std::set<std::string, std::less<>> read_stop_titles(const std::filesystem::path& path) {
  std::set<std::string, std::less<>> titles;
  TextReader reader(path);
  for (std::string line; reader.next_line(&line);) {
    if (std::string title = normalize_title(line); !title.empty()) titles.insert(std::move(title));
  }
  return titles;
}

}  // namespace tutti::data
