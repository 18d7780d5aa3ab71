#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/synth/chosen_tracks.h"
#include "data/synth/generated_catalog.h"
#include "data/synth/options.h"
#include "data/synth/playlist_source.h"
#include "data/synth/scene_titles.h"
#include "data/synth/title_pool.h"

namespace tutti::data {

// Simulated listeners of a generated catalogue, for sizes where PlaylistGenerator is too slow: a
// track costs the same whatever the number of tracks. Playlists are spread evenly over the
// popularity line; one picks most of its tracks near its own point of it. Every album is also
// *hosted* by one playlist of its scene, so that (nearly) every track occurs and about half of them
// occur once: the long tail of real playlists, which no popularity law alone gives. Keeps a
// reference to the catalogue.
class ScenePlaylists : public PlaylistSource {
 public:
  // `listeners`: number of playlists, seed, lengths and titles are used. UsageError for a mean
  // length outside of [1.6 * min_length, 0.6 * max_length].
  ScenePlaylists(const GeneratedCatalog& catalog, const SynthOptions& listeners);

  SynthTitle title(int64_t index) const override;
  SynthPlaylist playlist(int64_t index) const override;
  int64_t num_titles() const override { return titles_.size(); }
  const TitlePool& titles() const { return titles_; }

 private:
  struct Start {       // how a playlist begins: its point, scene and title
    int64_t slot = 0;  // of the line, one a playlist
    double point = 0;
    int64_t scene = 0;
    SynthTitle title;
  };
  Start start(int64_t index, Rng& rng) const;
  int64_t scene_at(double point) const;
  std::vector<int32_t> choose_places(const Start& start, uint16_t theme, int64_t length,
                                     Rng& rng) const;
  // Places of the albums that the playlist of this slot hosts, at most `most`.
  std::vector<int32_t> hosted_places(int64_t slot, int64_t most) const;
  int64_t draw_in_scene(const Start& start, bool nearby, Rng& rng) const;
  int64_t draw_between(int64_t first_place, int64_t last_place, Rng& rng) const;
  // Bits of the title's tags among those of the scene.
  uint16_t theme_of(const Start& start, Rng& rng) const;

  const GeneratedCatalog& catalog_;
  SynthOptions listeners_;
  TitlePool titles_;
  SceneTitles scene_titles_;
  Permutation slot_of_;
  std::vector<double> scene_start_;  // [scenes + 1], on the line
  std::vector<double> album_home_;   // [albums], rises, on the line
  int64_t max_length_, min_length_;
  double log_length_;
};

}  // namespace tutti::data
