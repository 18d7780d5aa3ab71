#include "data/import/csv.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>

#include "data/import/csv_reader.h"
#include "data/import/numbers.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

constexpr const char* kKnownColumns[] = {"playlist_id", "title",     "track_id",   "name",
                                         "artist",      "artist_id", "album",      "album_id",
                                         "duration_s",  "tags",      "modified_at"};

// An entry that owns its text: a playlist's rows are gathered before they are given on.
struct Entry {
  std::string key, name, artist, artist_id, album, album_id, tags;
  double duration_s = 0;
};

std::vector<std::string_view> split_tags(std::string_view text) {
  std::vector<std::string_view> tags;
  while (!text.empty()) {
    const size_t end = std::min(text.find('|'), text.size());
    if (end > 0) tags.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return tags;
}

class PlaylistCsv {
 public:
  PlaylistCsv(const std::filesystem::path& path, const PlaylistSink& sink)
      : csv_(path), sink_(sink) {
    playlist_ = csv_.require_column("playlist_id");
    title_ = csv_.require_column("title");
    track_ = csv_.require_column("track_id");
  }

  void read() {
    while (csv_.next()) {
      if (csv_.field(playlist_).empty()) refuse("an empty playlist_id", "an id");
      if (csv_.field(track_).empty()) refuse("an empty track_id", "an id");
      if (entries_.empty() || csv_.field(playlist_) != key_) {
        give();
        begin();
      } else if (csv_.field(title_) != current_title_) {
        refuse(fmt::format("title '{}'", csv_.field(title_)),
               fmt::format("'{}' as in the rows of playlist '{}' before", current_title_, key_));
      }
      entries_.push_back(entry());
    }
    give();
  }

 private:
  [[noreturn]] void refuse(const std::string& found, const std::string& expected,
                           const std::string& cure = "") const {
    throw DataError({csv_.path(), csv_.place(), found, expected, cure});
  }

  std::string text(const char* column) const {
    const auto at = csv_.find_column(column);
    return at ? csv_.field(*at) : std::string();
  }

  template <typename T>
  T number(const char* column) const {
    const std::string value = text(column);
    if (value.empty()) return T{};
    if (const auto parsed = parse_number<T>(value)) return *parsed;
    refuse(fmt::format("{} '{}'", column, value), "a number");
  }

  void begin() {
    key_ = csv_.field(playlist_);
    current_title_ = csv_.field(title_);
    modified_at_ = number<int64_t>("modified_at");
    if (!done_.insert(std::hash<std::string>()(key_)).second) {
      refuse(fmt::format("playlist '{}' a second time", key_), "its rows together",
             "sort the file by playlist_id");
    }
  }

  Entry entry() const {
    return {csv_.field(track_), text("name"),     text("artist"), text("artist_id"),
            text("album"),      text("album_id"), text("tags"),   number<double>("duration_s")};
  }

  void give() {
    if (entries_.empty()) return;
    std::vector<std::vector<std::string_view>> tags;
    tags.reserve(entries_.size());
    std::vector<TrackRow> tracks;
    for (const Entry& e : entries_) {
      tags.push_back(split_tags(e.tags));
      tracks.push_back(
          {e.key, e.name, e.artist_id, e.artist, e.album_id, e.album, e.duration_s, tags.back()});
    }
    sink_({key_, current_title_, tracks, modified_at_, csv_.path(), csv_.fraction()});
    entries_.clear();
  }

  CsvReader csv_;
  const PlaylistSink& sink_;
  size_t playlist_ = 0, title_ = 0, track_ = 0;
  std::string key_, current_title_;
  int64_t modified_at_ = 0;
  std::vector<Entry> entries_;
  std::unordered_set<size_t> done_;  // hashes of the keys of all playlists
};

}  // namespace

void read_csv(const std::filesystem::path& path, const PlaylistSink& sink) {
  PlaylistCsv(path, sink).read();
}

std::vector<std::string> unused_csv_columns(const std::filesystem::path& path) {
  const CsvReader csv(path);
  std::vector<std::string> unused;
  for (const std::string& column : csv.columns()) {
    if (std::ranges::find(kKnownColumns, column) == std::end(kKnownColumns)) {
      unused.push_back(column);
    }
  }
  return unused;
}

}  // namespace tutti::data
