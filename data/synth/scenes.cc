#include "data/synth/scenes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "data/synth/popularity.h"
#include "data/synth/streams.h"
#include "data/synth/tag_words.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

// How likely a track of the scene carries its first, second... genre, mood and instrument.
// Assumptions: three tags a track, about as many as tracks of the bundled catalogue have.
constexpr std::array kGenreChances = {0.95, 0.50};
constexpr std::array kMoodChances = {0.45, 0.30, 0.20, 0.10};
constexpr std::array kInstrumentChances = {0.40, 0.25, 0.10};

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

void add_distinct(const std::vector<int32_t>& from, double chance, Rng& rng, Scene* scene) {
  for (;;) {
    const int32_t tag = from[rng.below(from.size())];
    if (std::ranges::find(scene->tags, tag) != scene->tags.end()) continue;
    scene->tags.push_back(tag);
    scene->chances.push_back(chance);
    return;
  }
}

}  // namespace

double Scene::chance_of(int32_t tag) const {
  const auto found = std::ranges::find(tags, tag);
  return found == tags.end() ? 0 : chances[found - tags.begin()];
}

Scenes::Scenes(const CatalogOptions& o, std::vector<double> shares) : shares_(std::move(shares)) {
  std::vector<int32_t> genres, moods, instruments;
  for (const std::string_view tag : known_tags()) {
    const TagKind kind = kind_of_tag(tag);
    auto& of_kind = kind == TagKind::kGenre ? genres : kind == TagKind::kMood ? moods : instruments;
    of_kind.push_back(static_cast<int32_t>(tag_names_.size()));
    tag_names_.push_back(tag);
  }
  // Each genre is the first of some scene before one comes a second time.
  const Permutation genre_at(genres.size(), o.seed, Purpose::kSynthCatalog,
                             catalog_stream(CatalogStream::kSceneGenres));
  for (size_t s = 0; s < shares_.size(); ++s) {
    Rng rng(o.seed, Purpose::kSynthCatalog,
            catalog_stream(CatalogStream::kScene, static_cast<int64_t>(s)));
    Scene scene;
    scene.tags.push_back(genres[genre_at(s % genres.size())]);
    scene.chances.push_back(kGenreChances[0]);
    add_distinct(genres, kGenreChances[1], rng, &scene);
    for (const double chance : kMoodChances) add_distinct(moods, chance, rng, &scene);
    for (const double chance : kInstrumentChances) add_distinct(instruments, chance, rng, &scene);
    scenes_.push_back(std::move(scene));
  }
}

std::vector<int32_t> Scenes::some_theme(int64_t most, Rng& rng) const {
  double at = rng.uniform();
  size_t s = 0;
  while (s + 1 < scenes_.size() && (at -= shares_[s]) >= 0) ++s;
  std::vector<int32_t> theme;
  WeightedItems left;
  while (std::ssize(theme) < most) {
    left.clear();
    for (size_t i = 0; i < scenes_[s].tags.size(); ++i) {
      const int32_t tag = scenes_[s].tags[i];
      if (std::ranges::find(theme, tag) == theme.end()) {
        left.add(tag, scenes_[s].chances[i] * naming_weight(kind_of_tag(tag_names_[tag])));
      }
    }
    theme.push_back(left.draw(rng));
  }
  return theme;
}

std::vector<uint16_t> draw_track_tags(const CatalogLayout& layout, const Scenes& scenes,
                                      const CatalogOptions& o) {
  std::vector<uint16_t> carried(layout.num_tracks());
  for (int64_t s = 0; s < layout.num_scenes(); ++s) {
    const auto& chances = scenes[s].chances;
    TUTTI_CHECK(chances.size() <= 16);
    std::array<double, 16> of_artist{};
    for (int64_t a = layout.scene_artists[s]; a < layout.scene_artists[s + 1]; ++a) {
      Rng artist(o.seed, Purpose::kSynthCatalog, catalog_stream(CatalogStream::kArtistTags, a));
      for (size_t i = 0; i < chances.size(); ++i) of_artist[i] = artist.uniform();
      for (int64_t place = layout.artist_tracks[a]; place < layout.artist_tracks[a + 1]; ++place) {
        Rng rng(o.seed, Purpose::kSynthCatalog, catalog_stream(CatalogStream::kTrackTags, place));
        if (rng.uniform() < o.untagged_tracks) continue;
        for (size_t i = 0; i < chances.size(); ++i) {
          const double u = rng.uniform() < o.artist_tags ? of_artist[i] : rng.uniform();
          if (u < chances[i]) carried[place] |= static_cast<uint16_t>(1U << i);
        }
      }
    }
  }
  return carried;
}

}  // namespace tutti::data
