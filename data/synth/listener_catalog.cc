#include "data/synth/listener_catalog.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "data/synth/tag_words.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

// How likely a listener is to name a tag of this kind; assumption.
double naming_weight(TagKind kind) {
  switch (kind) {
    case TagKind::kGenre:
      return 3;
    case TagKind::kMood:
      return 2;
    case TagKind::kInstrument:
      break;
  }
  return 1;
}

}  // namespace

ListenerCatalog::ListenerCatalog(const Catalog& catalog, const SynthOptions& options)
    : catalog_(catalog),
      min_theme_tracks_(options.min_theme_tracks),
      words_((catalog.tag_names.size() + 63) / 64) {
  const int64_t n = catalog.num_tracks();
  if (n < 4 * options.min_length || catalog.tags.empty()) {
    throw DataError(
        Problem{.file = "catalog",
                .place = {},
                .found = fmt::format("{} tracks that carry {} tags", n, catalog.tags.size()),
                .expected = fmt::format("at least {} tracks, and tags for playlists "
                                        "to be about",
                                        4 * options.min_length),
                .cure = "make the catalog with 'tutti import tags'"});
  }
  const auto popularity = track_popularity(catalog, options);
  theme_weight_.resize(n);
  by_tag_.resize(catalog.tag_names.size());
  masks_.resize(n * words_);
  for (int32_t t = 0; t < n; ++t) {
    everything_.add(t, popularity[t]);
    theme_weight_[t] = std::pow(popularity[t], options.theme_flatness);
    for (const int32_t tag : catalog.tags_of(t)) {
      by_tag_[tag].add(t, theme_weight_[t]);
      masks_[t * words_ + tag / 64] |= uint64_t{1} << (tag % 64);
    }
  }
  artists_ = group(catalog.track_artist, catalog.artist_keys.size());
  albums_ = group(catalog.track_album, catalog.album_keys.size());
}

template <typename Visit>
void ListenerCatalog::visit(std::span<const int32_t> tags, Visit visit_track) const {
  const int32_t rarest = *std::min_element(tags.begin(), tags.end(), [&](int32_t a, int32_t b) {
    return by_tag_[a].size() < by_tag_[b].size();
  });
  for (const int32_t track : by_tag_[rarest].items()) {
    const bool all =
        std::all_of(tags.begin(), tags.end(), [&](int32_t tag) { return carries(track, tag); });
    if (all) visit_track(track);
  }
}

void ListenerCatalog::collect(std::span<const int32_t> tags, WeightedItems* tracks) const {
  tracks->clear();
  visit(tags, [&](int32_t track) { tracks->add(track, theme_weight_[track]); });
}

int64_t ListenerCatalog::count(std::span<const int32_t> tags) const {
  if (tags.size() == 1) return by_tag_[tags[0]].size();
  int64_t found = 0;
  visit(tags, [&](int32_t) { ++found; });
  return found;
}

std::vector<int32_t> ListenerCatalog::theme_of_track(int32_t track, int64_t most, Rng& rng) const {
  WeightedItems left;
  std::vector<int32_t> theme;
  while (std::ssize(theme) < most) {
    left.clear();
    for (const int32_t tag : catalog_.tags_of(track)) {
      if (std::find(theme.begin(), theme.end(), tag) == theme.end()) {
        left.add(tag, naming_weight(kind_of_tag(catalog_.tag_names[tag])));
      }
    }
    if (left.size() == 0) break;
    if (!extend(&theme, left.draw(rng))) break;
  }
  return theme;
}

std::vector<int32_t> ListenerCatalog::some_theme(int64_t most, Rng& rng) const {
  return theme_of_track(everything_.draw(rng), most, rng);
}

bool ListenerCatalog::extend(std::vector<int32_t>* tags, int32_t tag) const {
  if (std::find(tags->begin(), tags->end(), tag) != tags->end()) return false;
  tags->push_back(tag);
  if (count(*tags) >= min_theme_tracks_) return true;
  tags->pop_back();
  return false;
}

ListenerCatalog::Groups ListenerCatalog::group(const std::vector<int32_t>& group_of,
                                               int64_t num_groups) {
  Groups groups;
  groups.offsets.assign(num_groups + 1, 0);
  for (const int32_t g : group_of) {
    if (g >= 0) ++groups.offsets[g + 1];
  }
  for (int64_t g = 0; g < num_groups; ++g) groups.offsets[g + 1] += groups.offsets[g];
  groups.tracks.resize(groups.offsets.back());
  std::vector<int64_t> at(groups.offsets.begin(), groups.offsets.end() - 1);
  for (size_t t = 0; t < group_of.size(); ++t) {
    if (group_of[t] >= 0) groups.tracks[at[group_of[t]]++] = static_cast<int32_t>(t);
  }
  return groups;
}

std::span<const int32_t> ListenerCatalog::tracks_of_artist(int32_t artist) const {
  const auto& o = artists_.offsets;
  return std::span(artists_.tracks).subspan(o[artist], o[artist + 1] - o[artist]);
}

std::span<const int32_t> ListenerCatalog::tracks_of_album(int32_t album) const {
  const auto& o = albums_.offsets;
  return std::span(albums_.tracks).subspan(o[album], o[album + 1] - o[album]);
}

}  // namespace tutti::data
