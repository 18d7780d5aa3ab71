#include "data/synth/playlist_generator.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "data/synth/chosen_tracks.h"
#include "data/synth/contexts.h"
#include "data/synth/lengths.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

constexpr int kTries = 12;  // before a source of tracks counts as used up

}  // namespace

PlaylistGenerator::PlaylistGenerator(const Catalog& catalog, const SynthOptions& options)
    : options_(options),
      catalog_(catalog, options),
      titles_(catalog_, options),
      max_length_(std::min(options.max_length, catalog.num_tracks() / 2)),
      context_tags_(rows_of_context_tags(catalog.tag_names)) {
  // The cut parts of the log-normal must stay small enough to draw again.
  const double least = 1.6 * static_cast<double>(options.min_length);
  const double most = 0.6 * static_cast<double>(max_length_);
  if (!(options.mean_length >= least && options.mean_length <= most)) {
    throw UsageError(
        Problem{.file = {},
                .place = "--mean-length",
                .found = fmt::format("{}", options.mean_length),
                .expected = fmt::format("{} to {} tracks for this catalog", least, most),
                .cure = {}});
  }
  log_length_ = location_of_cut_lognormal(options.mean_length, options.length_sigma,
                                          options.min_length, max_length_);
}

SynthTitle PlaylistGenerator::choose_title(Rng& rng) const {
  const int64_t row = titles_.draw(rng);
  return {decorate_title(titles_.title(row).text, rng), row};
}

SynthTitle PlaylistGenerator::title(int64_t index) const {
  Rng rng(options_.seed, Purpose::kSynthPlaylist, index);
  return choose_title(rng);
}

SynthPlaylist PlaylistGenerator::playlist(int64_t index) const {
  Rng rng(options_.seed, Purpose::kSynthPlaylist, index);
  SynthTitle title = choose_title(rng);
  SynthPlaylist playlist;
  playlist.title_row = title.row;
  playlist.title = std::move(title.text);
  const auto theme = choose_theme(playlist.title_row, rng);
  const int64_t length =
      draw_length(log_length_, options_.length_sigma, options_.min_length, max_length_, rng);
  playlist.tracks = choose_tracks(theme, length, rng);
  playlist.modified_at = draw_modified_at(rng);
  return playlist;
}

std::vector<int32_t> PlaylistGenerator::choose_theme(int64_t title_row, Rng& rng) const {
  const TitleMeaning& meaning = titles_.draw_meaning(title_row, rng);
  std::vector<int32_t> theme = meaning.tags;
  if (meaning.context >= 0) {
    // One tag that suits the occasion and goes with the others, if there is any.
    const auto& suiting = context_tags_[meaning.context];
    for (int i = 0; i < kTries && !suiting.empty(); ++i) {
      if (catalog_.extend(&theme, suiting[rng.below(suiting.size())])) break;
    }
  } else if (theme.empty() && rng.uniform() < options_.vague_theme) {
    theme = catalog_.theme_of_track(catalog_.everything().draw(rng), 2, rng);
  }
  constexpr size_t kMostTags = 3;
  if (!theme.empty() && theme.size() < kMostTags && rng.uniform() < options_.hidden_tag) {
    const auto of_track = catalog_.catalog().tags_of(catalog_.with_tag(theme[0]).draw(rng));
    catalog_.extend(&theme, of_track[rng.below(of_track.size())]);
  }
  return theme;
}

std::vector<int32_t> PlaylistGenerator::choose_tracks(const std::vector<int32_t>& theme,
                                                      int64_t length, Rng& rng) const {
  const Catalog& catalog = catalog_.catalog();
  WeightedItems collected;
  if (theme.size() > 1) catalog_.collect(theme, &collected);
  const WeightedItems& core = theme.empty()       ? catalog_.everything()
                              : theme.size() == 1 ? catalog_.with_tag(theme[0])
                                                  : collected;
  const auto suits = [&](int32_t track) {
    return theme.empty() || std::any_of(theme.begin(), theme.end(),
                                        [&](int32_t tag) { return catalog_.carries(track, tag); });
  };
  ChosenTracks chosen;
  const auto add_drawn = [&](const WeightedItems& from) {
    for (int i = 0; i < kTries; ++i) {
      if (chosen.add(from.draw(rng))) return true;
    }
    return false;
  };
  // Another one of a group (artist, album): one that suits the theme rather than any.
  const auto add_from_group = [&](std::span<const int32_t> group) {
    for (int i = 0; i < kTries; ++i) {
      const int32_t track = group[rng.below(group.size())];
      if ((suits(track) || i >= kTries / 2) && chosen.add(track)) return true;
    }
    return false;
  };
  const auto add_next = [&] {
    double u = rng.uniform();
    if ((u -= options_.off_theme) < 0) return add_drawn(catalog_.everything());
    if ((u -= options_.partial_theme) < 0) {
      return add_drawn(theme.empty() ? core : catalog_.with_tag(theme[rng.below(theme.size())]));
    }
    if (chosen.size() > 0 && u < options_.artist_run + options_.album_run) {
      const int32_t last = chosen.any(rng);
      const int32_t artist = catalog.track_artist[last], album = catalog.track_album[last];
      if ((u -= options_.artist_run) < 0) {
        if (artist >= 0 && add_from_group(catalog_.tracks_of_artist(artist))) return true;
      } else if (album >= 0 && add_from_group(catalog_.tracks_of_album(album))) {
        return true;
      }
    }
    return add_drawn(core);
  };
  while (chosen.size() < length) {
    if (add_next() || add_drawn(catalog_.everything())) continue;
    // Only tiny catalogues come here: take the next track that is free.
    auto track = static_cast<int32_t>(rng.below(catalog.num_tracks()));
    while (!chosen.add(track)) track = (track + 1) % static_cast<int32_t>(catalog.num_tracks());
  }
  return chosen.take();
}

}  // namespace tutti::data
