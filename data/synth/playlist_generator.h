#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/synth/listener_catalog.h"
#include "data/synth/title_pool.h"

namespace tutti::data {

struct SynthPlaylist {
  std::string title;
  int64_t title_row;            // of the pool
  std::vector<int32_t> tracks;  // distinct
  int64_t modified_at;          // seconds since 1970
};

// The simulated listeners. Playlist i is a pure function of (catalogue, options, i): any rank or
// thread makes the same one. Keeps a reference to the catalogue.
class PlaylistGenerator {
 public:
  // DataError as ListenerCatalog; UsageError for a mean length that cannot be had.
  PlaylistGenerator(const Catalog& catalog, const SynthOptions& options);

  SynthPlaylist playlist(int64_t index) const;
  const TitlePool& titles() const { return titles_; }

 private:
  std::vector<int32_t> choose_theme(int64_t title_row, Rng& rng) const;
  int64_t choose_length(Rng& rng) const;
  std::vector<int32_t> choose_tracks(const std::vector<int32_t>& theme, int64_t length,
                                     Rng& rng) const;

  SynthOptions options_;
  ListenerCatalog catalog_;
  TitlePool titles_;
  int64_t max_length_;
  double log_length_;                               // mean of the log-normal before the cut
  std::vector<std::vector<int32_t>> context_tags_;  // [contexts], rows of the catalogue's tags
};

// The location of a log-normal of this sigma whose part in [first - 1/2, last + 1/2) has this mean.
double location_of_cut_lognormal(double mean, double sigma, int64_t first, int64_t last);

}  // namespace tutti::data
