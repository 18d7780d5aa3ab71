#include "data/synth/statistics.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include <fmt/format.h>

namespace tutti::data {
namespace {

// The k largest, largest first.
std::vector<int64_t> largest(std::span<const int32_t> counts, int64_t k) {
  std::vector<int64_t> top(std::min<int64_t>(k, std::ssize(counts)));
  std::partial_sort_copy(counts.begin(), counts.end(), top.begin(), top.end(), std::greater<>());
  return top;
}

double sum(std::span<const int64_t> counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
}

int64_t count_distinct(std::vector<int32_t>* rows) {
  std::ranges::sort(*rows);
  rows->erase(std::unique(rows->begin(), rows->end()), rows->end());
  return std::ssize(*rows) - (!rows->empty() && rows->front() < 0 ? 1 : 0);
}

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Variety variety_of(std::span<const int32_t> tracks, const TrackMakers& makers) {
  std::vector<int32_t> artists, albums;
  artists.reserve(tracks.size());
  albums.reserve(tracks.size());
  for (const int32_t track : tracks) {
    artists.push_back(makers.artist[track]);
    albums.push_back(makers.album[track]);
  }
  return {std::ssize(tracks), count_distinct(&artists), count_distinct(&albums)};
}

SynthCounter::SynthCounter(const TrackMakers& makers, int64_t num_titles, int64_t num_playlists)
    : makers_(makers),
      num_early_((num_playlists + 9) / 10),
      by_track_(makers.artist.size()),
      by_title_(num_titles),
      early_by_track_(makers.artist.size()),
      by_length_(1) {}

void SynthCounter::add(int64_t index, const SynthPlaylist& playlist) {
  add(index, playlist, variety_of(playlist.tracks, makers_));
}

void SynthCounter::add(int64_t index, const SynthPlaylist& playlist, const Variety& variety) {
  const size_t length = playlist.tracks.size();
  if (length >= by_length_.size()) by_length_.resize(length + 1);
  ++by_length_[length];
  for (const int32_t track : playlist.tracks) ++by_track_[track];
  if (index < num_early_) {
    for (const int32_t track : playlist.tracks) ++early_by_track_[track];
  }
  ++by_title_[playlist.title_row];
  playlist_artists_ += variety.artists;
  playlist_albums_ += variety.albums;
}

void SynthCounter::merge(Communicator& comm) {
  by_length_.resize(static_cast<size_t>(comm.max(std::ssize(by_length_))));
  comm.all_reduce_sum(std::span<int64_t>(by_length_));
  for (auto* counts : {&by_track_, &early_by_track_, &by_title_}) {
    comm.all_reduce(counts->data(), std::ssize(*counts), DType::kInt32, ReduceOp::kSum);
  }
  playlist_artists_ = comm.sum(playlist_artists_);
  playlist_albums_ = comm.sum(playlist_albums_);
}

Variety SynthCounter::count_used(std::span<const int32_t> by_track) const {
  std::vector<bool> artists(makers_.num_artists), albums(makers_.num_albums);
  Variety used;
  for (size_t t = 0; t < by_track.size(); ++t) {
    if (by_track[t] == 0) continue;
    ++used.tracks;
    if (makers_.artist[t] >= 0) artists[makers_.artist[t]] = true;
    if (makers_.album[t] >= 0) albums[makers_.album[t]] = true;
  }
  used.artists = std::ranges::count(artists, true);
  used.albums = std::ranges::count(albums, true);
  return used;
}

SynthStatistics SynthCounter::statistics(int64_t num_raw_titles) const {
  SynthStatistics s;
  for (size_t length = 0; length < by_length_.size(); ++length) {
    if (by_length_[length] == 0) continue;
    if (s.playlists == 0) s.shortest = static_cast<int64_t>(length);
    s.longest = static_cast<int64_t>(length);
    s.playlists += by_length_[length];
    s.entries += by_length_[length] * static_cast<int64_t>(length);
  }
  if (s.playlists == 0) return s;
  for (int64_t shorter = 0; 2 * shorter < s.playlists; ++s.median_length) {
    shorter += by_length_[s.median_length];
  }
  --s.median_length;
  s.mean_length = ratio(s.entries, s.playlists);
  s.all = count_used(by_track_);
  s.first_tenth = count_used(early_by_track_);
  s.artists_a_playlist = ratio(playlist_artists_, s.playlists);
  s.albums_a_playlist = ratio(playlist_albums_, s.playlists);
  s.in_one_playlist = ratio(std::ranges::count(by_track_, 1), s.all.tracks);
  s.in_two = ratio(std::ranges::count(by_track_, 2), s.all.tracks);

  const auto n = static_cast<double>(s.playlists);
  const auto tracks = largest(by_track_, 10), titles = largest(by_title_, 20);
  s.top_track = static_cast<double>(tracks.front()) / n;
  s.tenth_track = static_cast<double>(tracks.back()) / n;
  s.popularity_hits = sum(tracks) / n;
  std::vector<int64_t> by_artist(makers_.num_artists);
  for (size_t t = 0; t < by_track_.size(); ++t) {
    if (makers_.artist[t] >= 0) by_artist[makers_.artist[t]] += by_track_[t];
  }
  if (!by_artist.empty()) s.top_artist = ratio(*std::ranges::max_element(by_artist), s.entries);
  s.normalized_titles = std::ssize(by_title_) - std::ranges::count(by_title_, 0);
  s.raw_titles = num_raw_titles;
  s.top_title = static_cast<double>(titles.front()) / n;
  s.top_20_titles = sum(titles) / n;
  return s;
}

std::string to_table(const SynthStatistics& s) {
  std::string table =
      fmt::format("{:<44}{:>12}{:>26}\n", "", "simulated", "Million Playlist Dataset");
  const auto row = [&](const char* what, const std::string& ours, const char* published) {
    table += fmt::format("{:<44}{:>12}{:>26}\n", what, ours, published);
  };
  const auto count = [](int64_t n) { return fmt::format("{}", n); };
  const auto percent = [](double share) { return fmt::format("{:.2f} %", 100 * share); };
  row("playlists", count(s.playlists), "1000000");
  row("entries", count(s.entries), "66346428");
  row("tracks a playlist, mean", fmt::format("{:.2f}", s.mean_length), "66.35");
  row("  shortest, median, longest",
      fmt::format("{}, {}, {}", s.shortest, s.median_length, s.longest), "5, -, 250");
  row("artists a playlist, mean", fmt::format("{:.1f}", s.artists_a_playlist), "38.1");
  row("albums a playlist, mean", fmt::format("{:.1f}", s.albums_a_playlist), "49.8");
  row("tracks that occur", count(s.all.tracks), "2262292");
  row("  in one playlist only", percent(s.in_one_playlist), "about 47 %");
  row("  in two", percent(s.in_two), "-");
  row("artists that occur", count(s.all.artists), "295860");
  row("albums that occur", count(s.all.albums), "734684");
  row("in a tenth of the playlists: tracks", count(s.first_tenth.tracks), "681805");
  row("  artists", count(s.first_tenth.artists), "110063");
  row("  albums", count(s.first_tenth.albums), "271413");
  row("playlists with the most frequent track", percent(s.top_track), "4.66 %");
  row("playlists with the tenth", percent(s.tenth_track), "3.49 %");
  row("mean hits@10 of the ten most frequent", fmt::format("{:.3f}", s.popularity_hits), "0.388");
  row("entries of the most frequent artist", percent(s.top_artist), "-");
  row("titles as written", count(s.raw_titles), "92944");
  row("titles normalised", count(s.normalized_titles), "17381");
  row("playlists with the most frequent title", percent(s.top_title), "1.00 %");
  row("playlists with one of the first 20", percent(s.top_20_titles), "12.0 %");
  return table;
}

}  // namespace tutti::data
