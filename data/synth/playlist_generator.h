#pragma once

#include <cstdint>
#include <vector>

#include "data/synth/listener_catalog.h"
#include "data/synth/playlist_source.h"
#include "data/synth/title_pool.h"

namespace tutti::data {

// The simulated listeners of a catalogue whose tracks carry tags. Playlist i is a pure function of
// (catalogue, options, i). Keeps a reference to the catalogue.
class PlaylistGenerator : public PlaylistSource {
 public:
  // DataError as ListenerCatalog; UsageError for a mean length that cannot be had.
  PlaylistGenerator(const Catalog& catalog, const SynthOptions& options);

  SynthTitle title(int64_t index) const override;
  SynthPlaylist playlist(int64_t index) const override;
  int64_t num_titles() const override { return titles_.size(); }
  const TitlePool& titles() const { return titles_; }

 private:
  SynthTitle choose_title(Rng& rng) const;
  std::vector<int32_t> choose_theme(int64_t title_row, Rng& rng) const;
  std::vector<int32_t> choose_tracks(const std::vector<int32_t>& theme, int64_t length,
                                     Rng& rng) const;

  SynthOptions options_;
  ListenerCatalog catalog_;
  TitlePool titles_;
  int64_t max_length_;
  double log_length_;                               // mean of the log-normal before the cut
  std::vector<std::vector<int32_t>> context_tags_;  // [contexts], rows of the catalogue's tags
};

}  // namespace tutti::data
