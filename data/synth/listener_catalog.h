#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/catalog.h"
#include "data/synth/popularity.h"
#include "data/synth/theme_source.h"

namespace tutti::data {

// A catalogue as the simulated listeners know it: what is popular, what carries a tag, what else an
// artist made. Keeps a reference to the catalogue.
class ListenerCatalog : public ThemeSource {
 public:
  // DataError when the catalogue is too small or carries no tags.
  ListenerCatalog(const Catalog& catalog, const SynthOptions& options);

  const Catalog& catalog() const { return catalog_; }
  const WeightedItems& everything() const { return everything_; }            // by popularity
  const WeightedItems& with_tag(int32_t tag) const { return by_tag_[tag]; }  // flatter
  bool carries(int32_t track, int32_t tag) const {
    return (masks_[track * words_ + tag / 64] >> (tag % 64) & 1U) != 0;
  }

  // The tracks that carry all of `tags` (at least two), weighted as in with_tag.
  void collect(std::span<const int32_t> tags, WeightedItems* tracks) const;
  int64_t count(std::span<const int32_t> tags) const;

  // One to `most` tags that the track carries, the likelier ones first: listeners name genres more
  // often than moods, and moods more often than instruments. Tags are dropped until at least
  // min_theme_tracks carry the rest; may be empty.
  std::vector<int32_t> theme_of_track(int32_t track, int64_t most, Rng& rng) const;
  const StringTable& tag_names() const override { return catalog_.tag_names; }
  // Of a track drawn by popularity.
  std::vector<int32_t> some_theme(int64_t most, Rng& rng) const override;
  // Adds `tag` when enough tracks carry it together with the others.
  bool extend(std::vector<int32_t>* tags, int32_t tag) const;

  std::span<const int32_t> tracks_of_artist(int32_t artist) const;
  std::span<const int32_t> tracks_of_album(int32_t album) const;

 private:
  struct Groups {
    std::vector<int64_t> offsets;
    std::vector<int32_t> tracks;
  };
  static Groups group(const std::vector<int32_t>& group_of, int64_t num_groups);
  template <typename Visit>
  void visit(std::span<const int32_t> tags, Visit visit_track) const;

  const Catalog& catalog_;
  int64_t min_theme_tracks_, words_;
  WeightedItems everything_;
  std::vector<double> theme_weight_;  // [num_tracks]
  std::vector<WeightedItems> by_tag_;
  std::vector<uint64_t> masks_;  // [num_tracks, words_]
  Groups artists_, albums_;
};

}  // namespace tutti::data
