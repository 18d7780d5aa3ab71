#include "data/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include "data/normalizer.h"
#include "data/split.h"

namespace tutti::data {
namespace {

constexpr int64_t kBlock = 8192;  // playlists read at a time

// Rows of the largest counts that are not 0, largest first, ties by row.
std::vector<int64_t> top_rows(const std::vector<int64_t>& counts, int num_top) {
  std::vector<int64_t> rows(counts.size());
  std::iota(rows.begin(), rows.end(), 0);
  const auto middle = rows.begin() + std::min<int64_t>(num_top, std::ssize(rows));
  std::partial_sort(rows.begin(), middle, rows.end(), [&](int64_t a, int64_t b) {
    return counts[a] != counts[b] ? counts[a] > counts[b] : a < b;
  });
  rows.erase(middle, rows.end());
  std::erase_if(rows, [&](int64_t row) { return counts[row] == 0; });
  return rows;
}

// "key", with what is known of the track in brackets.
std::string track_label(const Catalog& catalog, int64_t track) {
  std::string label(catalog.track_keys[track]);
  const std::string_view name = catalog.track_names[track];
  const int32_t artist_row = catalog.track_artist[track];
  const std::string_view artist =
      artist_row < 0 ? std::string_view() : catalog.artist_names[artist_row];
  if (name.empty() && artist.empty()) return label;
  label += " (";
  label += name;
  if (!name.empty() && !artist.empty()) label += ", ";
  label += artist;
  return label + ")";
}

}  // namespace

int64_t quantile(const Histogram& histogram, double share) {
  int64_t total = 0;
  for (const auto& [value, count] : histogram) total += count;
  const double wanted = share * static_cast<double>(total);
  int64_t below = 0;
  for (const auto& [value, count] : histogram) {
    below += count;
    if (static_cast<double>(below) >= wanted) return value;
  }
  return 0;
}

DatasetStatistics compute_statistics(const Dataset& dataset, int num_top) {
  DatasetStatistics s;
  const Catalog& catalog = dataset.catalog();
  const TitleTable& titles = dataset.titles();
  const std::vector<int32_t> train_counts = dataset.train_counts();
  std::vector<int64_t> by_track(static_cast<size_t>(catalog.num_tracks()), 0);
  std::vector<int64_t> by_title(static_cast<size_t>(titles.normalized.size()), 0);

  for (int64_t first = 0; first < dataset.num_playlists(); first += kBlock) {
    const PlaylistBlock block =
        dataset.read(first, std::min(first + kBlock, dataset.num_playlists()));
    for (int64_t i = 0; i < block.size(); ++i) {
      const auto tracks = block.tracks_of(i);
      const int32_t title = titles.normalized_of[block.titles[i]];
      const bool held_out = block.parts[i] != Part::kTrain;
      PartStatistics& part = s.parts[static_cast<size_t>(block.parts[i])];
      ++part.playlists;
      part.entries += std::ssize(tracks);
      if (titles.train_playlists_of[title] > 0) ++part.seen;
      ++s.playlist_lengths[std::ssize(tracks)];
      ++by_title[title];
      for (const int32_t track : tracks) {
        ++by_track[track];
        if (held_out && train_counts[track] == 0) ++s.held_out_entries_never_trained;
      }
    }
  }

  for (const int64_t count : by_track) ++s.track_playlists[count];
  for (int64_t row = 0; row < titles.normalized.size(); ++row) {
    ++s.title_playlists[by_title[row]];
    ++s.title_words[std::ssize(words_of(titles.normalized[row]))];
  }
  for (const int64_t row : top_rows(by_track, num_top)) {
    s.top_tracks.push_back({track_label(catalog, row), by_track[row]});
  }
  for (const int64_t row : top_rows(by_title, num_top)) {
    s.top_titles.push_back({std::string(titles.normalized[row]), by_title[row]});
  }
  return s;
}

}  // namespace tutti::data
