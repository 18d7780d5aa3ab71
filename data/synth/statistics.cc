#include "data/synth/statistics.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include <fmt/format.h>

namespace tutti::data {
namespace {

// The k largest, largest first.
std::vector<int64_t> largest(const std::vector<int64_t>& counts, int64_t k) {
  std::vector<int64_t> top(std::min<int64_t>(k, std::ssize(counts)));
  std::partial_sort_copy(counts.begin(), counts.end(), top.begin(), top.end(), std::greater<>());
  return top;
}

double sum(const std::vector<int64_t>& counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
}

int64_t count_used(const std::vector<int64_t>& counts) {
  return std::ssize(counts) - std::count(counts.begin(), counts.end(), 0);
}

}  // namespace

SynthCounter::SynthCounter(int64_t num_tracks, int64_t num_titles)
    : by_track_(num_tracks), by_title_(num_titles) {}

void SynthCounter::add(const SynthPlaylist& playlist) {
  const int64_t length = std::ssize(playlist.tracks);
  shortest_ = playlists_ == 0 ? length : std::min(shortest_, length);
  longest_ = std::max(longest_, length);
  ++playlists_;
  entries_ += length;
  for (const int32_t track : playlist.tracks) ++by_track_[track];
  ++by_title_[playlist.title_row];
  raw_titles_.insert(playlist.title);
}

SynthStatistics SynthCounter::statistics() const {
  SynthStatistics s{.playlists = playlists_,
                    .entries = entries_,
                    .tracks_used = count_used(by_track_),
                    .shortest = shortest_,
                    .longest = longest_,
                    .normalized_titles = count_used(by_title_),
                    .raw_titles = std::ssize(raw_titles_)};
  if (playlists_ == 0) return s;
  const auto n = static_cast<double>(playlists_);
  const auto tracks = largest(by_track_, 10), titles = largest(by_title_, 20);
  s.mean_length = static_cast<double>(entries_) / n;
  s.top_track = static_cast<double>(tracks.front()) / n;
  s.tenth_track = static_cast<double>(tracks.back()) / n;
  s.popularity_hits = sum(tracks) / n;
  s.top_title = static_cast<double>(titles.front()) / n;
  s.top_20_titles = sum(titles) / n;
  return s;
}

std::string to_table(const SynthStatistics& s) {
  std::string table =
      fmt::format("{:<44}{:>12}{:>26}\n", "", "generated", "Million Playlist Dataset");
  const auto row = [&](const char* what, const std::string& ours, const char* published) {
    table += fmt::format("{:<44}{:>12}{:>26}\n", what, ours, published);
  };
  const auto count = [](int64_t n) { return fmt::format("{}", n); };
  const auto percent = [](double share) { return fmt::format("{:.2f} %", 100 * share); };
  row("playlists", count(s.playlists), "1000000");
  row("entries", count(s.entries), "66346428");
  row("tracks used", count(s.tracks_used), "2262292");
  row("mean length", fmt::format("{:.2f}", s.mean_length), "66.35");
  row("shortest, longest", fmt::format("{}, {}", s.shortest, s.longest), "5, 250");
  row("playlists with the most frequent track", percent(s.top_track), "4.66 %");
  row("playlists with the tenth", percent(s.tenth_track), "3.49 %");
  row("mean hits@10 of the ten most frequent", fmt::format("{:.3f}", s.popularity_hits), "0.388");
  row("titles as written", count(s.raw_titles), "92944");
  row("titles normalised", count(s.normalized_titles), "17381");
  row("playlists with the most frequent title", percent(s.top_title), "1.00 %");
  row("playlists with one of the first 20", percent(s.top_20_titles), "12.0 %");
  return table;
}

}  // namespace tutti::data
