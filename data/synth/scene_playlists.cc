#include "data/synth/scene_playlists.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "data/synth/lengths.h"
#include "data/synth/streams.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

constexpr int kTries = 12;  // before a source of tracks counts as used up

double checked_mean(const SynthOptions& o) {
  // The cut parts of the log-normal must stay small enough to draw again.
  const double least = 1.6 * static_cast<double>(o.min_length);
  const double most = 0.6 * static_cast<double>(o.max_length);
  if (o.mean_length >= least && o.mean_length <= most) return o.mean_length;
  throw UsageError({"", "--mean-length", fmt::format("{}", o.mean_length),
                    fmt::format("{} to {} tracks", least, most), ""});
}

std::vector<double> starts_of_scenes(const GeneratedCatalog& catalog) {
  std::vector<double> starts;
  for (int64_t s = 0; s <= catalog.layout().num_scenes(); ++s) {
    starts.push_back(catalog.line().start_of(catalog.layout().scene_start(s)));
  }
  return starts;
}

// The albums of a scene, spread evenly over its stretch of the line.
std::vector<double> homes_of_albums(const CatalogLayout& layout,
                                    const std::vector<double>& scene_start) {
  std::vector<double> homes(layout.num_albums());
  for (int64_t s = 0; s < layout.num_scenes(); ++s) {
    const int64_t first = layout.artist_albums[layout.scene_artists[s]];
    const int64_t last = layout.artist_albums[layout.scene_artists[s + 1]];
    for (int64_t album = first; album < last; ++album) {
      const double at =
          (static_cast<double>(album - first) + 0.5) / static_cast<double>(last - first);
      homes[album] = scene_start[s] + at * (scene_start[s + 1] - scene_start[s]);
    }
  }
  return homes;
}

}  // namespace

ScenePlaylists::ScenePlaylists(const GeneratedCatalog& catalog, const SynthOptions& listeners)
    : catalog_(catalog),
      listeners_(listeners),
      titles_(catalog.scenes(), listeners),
      scene_titles_(titles_, catalog.scenes()),
      slot_of_(listeners.num_playlists, listeners.seed, Purpose::kSynthCatalog,
               catalog_stream(CatalogStream::kPlaylistOrder)),
      scene_start_(starts_of_scenes(catalog)),
      album_home_(homes_of_albums(catalog.layout(), scene_start_)),
      // A playlist leaves half of the catalogue out, of which small catalogues have to do.
      max_length_(std::max<int64_t>(1, catalog.layout().num_tracks() / 2)),
      min_length_(listeners.min_length),
      log_length_(location_of_cut_lognormal(checked_mean(listeners), listeners.length_sigma,
                                            listeners.min_length, listeners.max_length)) {}

int64_t ScenePlaylists::scene_at(double point) const {
  const auto after = std::upper_bound(scene_start_.begin() + 1, scene_start_.end() - 1, point);
  return after - scene_start_.begin() - 1;
}

ScenePlaylists::Start ScenePlaylists::start(int64_t index, Rng& rng) const {
  Start start;
  start.slot = static_cast<int64_t>(slot_of_(index));
  start.point = (static_cast<double>(start.slot) + rng.uniform()) /
                static_cast<double>(listeners_.num_playlists);
  start.scene = scene_at(start.point);
  start.title.row = scene_titles_.draw(start.scene, rng);
  start.title.text = decorate_title(titles_.title(start.title.row).text, rng);
  return start;
}

SynthTitle ScenePlaylists::title(int64_t index) const {
  Rng rng(listeners_.seed, Purpose::kSynthPlaylist, index);
  return start(index, rng).title;
}

SynthPlaylist ScenePlaylists::playlist(int64_t index) const {
  Rng rng(listeners_.seed, Purpose::kSynthPlaylist, index);
  Start start = this->start(index, rng);
  const int64_t length =
      draw_length(log_length_, listeners_.length_sigma, min_length_, listeners_.max_length, rng);
  const uint16_t theme = theme_of(start, rng);
  SynthPlaylist playlist;
  playlist.tracks = choose_places(start, theme, std::min(length, max_length_), rng);
  for (int32_t& track : playlist.tracks) track = catalog_.layout().row_of(track);
  playlist.title_row = start.title.row;
  playlist.title = std::move(start.title.text);
  playlist.modified_at = draw_modified_at(rng);
  return playlist;
}

uint16_t ScenePlaylists::theme_of(const Start& start, Rng& rng) const {
  const auto& tags = catalog_.scenes()[start.scene].tags;
  uint16_t theme = 0;
  for (const int32_t tag : titles_.draw_meaning(start.title.row, rng).tags) {
    const auto found = std::ranges::find(tags, tag);
    if (found != tags.end()) theme |= static_cast<uint16_t>(1U << (found - tags.begin()));
  }
  return theme;
}

std::vector<int32_t> ScenePlaylists::hosted_places(int64_t slot, int64_t most) const {
  const auto slots = static_cast<double>(listeners_.num_playlists);
  const auto begin =
      std::lower_bound(album_home_.begin(), album_home_.end(), static_cast<double>(slot) / slots);
  std::vector<int32_t> places;
  for (auto home = begin;
       home != album_home_.end() && *home < static_cast<double>(slot + 1) / slots &&
       std::ssize(places) < most;
       ++home) {
    const int64_t album = home - album_home_.begin();
    const auto& tracks = catalog_.layout().album_tracks;
    for (int64_t p = tracks[album]; p < tracks[album + 1] && std::ssize(places) < most; ++p) {
      places.push_back(static_cast<int32_t>(p));
    }
  }
  return places;
}

int64_t ScenePlaylists::draw_in_scene(const Start& start, bool nearby, Rng& rng) const {
  const double begin = scene_start_[start.scene];
  const double length = scene_start_[start.scene + 1] - begin;
  double at = rng.uniform();
  if (nearby) {  // a Laplace distance from the own point, around the ends of the scene
    const double side = at < 0.5 ? -1 : 1;
    const double distance = -std::log(1 - rng.uniform()) * catalog_.options().nearby_width;
    at = (start.point - begin) / length + side * distance;
    at -= std::floor(at);
  }
  // Rounding may reach the first track of the next scene.
  return std::min(catalog_.line().place_at(std::min(begin + at * length, 1.0)),
                  catalog_.layout().scene_start(start.scene + 1) - 1);
}

int64_t ScenePlaylists::draw_between(int64_t first_place, int64_t last_place, Rng& rng) const {
  const double begin = catalog_.line().start_of(first_place);
  const double end = catalog_.line().start_of(last_place);
  const int64_t place = catalog_.line().place_at(begin + rng.uniform() * (end - begin));
  return std::clamp(place, first_place, last_place - 1);
}

std::vector<int32_t> ScenePlaylists::choose_places(const Start& start, uint16_t theme,
                                                   int64_t length, Rng& rng) const {
  const CatalogOptions& o = catalog_.options();
  const CatalogLayout& layout = catalog_.layout();
  ChosenTracks chosen;
  const auto add_from_scene = [&](bool nearby) {
    for (int i = 0; i < kTries; ++i) {
      int64_t place = draw_in_scene(start, nearby, rng);
      for (int t = 0; t < o.theme_tries && theme != 0; ++t) {
        if ((catalog_.tags_carried(place) & theme) != 0) break;
        place = draw_in_scene(start, nearby, rng);
      }
      if (chosen.add(static_cast<int32_t>(place))) return true;
    }
    return false;
  };
  const auto add_between = [&](int64_t first, int64_t last) {
    for (int i = 0; i < kTries; ++i) {
      if (chosen.add(static_cast<int32_t>(draw_between(first, last, rng)))) return true;
    }
    return false;
  };
  const auto add_next = [&] {
    double u = rng.uniform();
    if ((u -= o.nearby) < 0) return add_from_scene(true) || add_from_scene(false);
    if ((u -= o.anywhere_in_scene) < 0) return add_from_scene(false);
    if (chosen.size() > 0 && (u -= o.artist_run) < 0) {
      const int32_t artist = layout.artist_of[chosen.any(rng)];
      return add_between(layout.artist_tracks[artist], layout.artist_tracks[artist + 1]);
    }
    if (chosen.size() > 0 && (u -= o.album_run) < 0) {
      const int32_t album = layout.album_of[chosen.any(rng)];
      return add_between(layout.album_tracks[album], layout.album_tracks[album + 1]);
    }
    return add_between(0, layout.num_tracks());
  };
  // Half of a playlist at most is there for being hosted, somewhere in its order.
  const std::vector<int32_t> hosted = hosted_places(start.slot, (length + 1) / 2);
  const auto before_hosted =
      static_cast<int64_t>(rng.below(static_cast<uint64_t>(length - std::ssize(hosted)) + 1));
  const auto fill_to = [&](int64_t size) {
    while (chosen.size() < size) {
      if (add_next() || add_between(0, layout.num_tracks())) continue;
      // Only tiny catalogues come here: take the next track that is free.
      int64_t place = static_cast<int64_t>(rng.below(layout.num_tracks()));
      while (!chosen.add(static_cast<int32_t>(place))) place = (place + 1) % layout.num_tracks();
    }
  };
  fill_to(before_hosted);
  for (const int32_t place : hosted) chosen.add(place);
  fill_to(length);
  return chosen.take();
}

}  // namespace tutti::data
