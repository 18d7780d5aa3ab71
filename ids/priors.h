#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/catalog.h"

namespace tutti::ids {

// Shrinks the vectors of rare tracks toward their album's, artist's and the catalog's mean:
//   artist' = (sum_t n_t h_t + k mean / 10) / (sum_t n_t + k / 10)   over the artist's tracks t
//   album'  = (sum_t n_t h_t + k artist') / (sum_t n_t + k)
//   h'      = (n h + k album') / (n + k)
// n: training playlists that hold the track, k: `strength`, in playlists. A track in no playlist
// becomes its album's, artist's or the catalog's vector, whichever is known. A track of unknown
// album or artist skips that line. An artist leans on the mean of all by a tenth only: with more,
// artists of the tail, who are most of them, become one vector. Sums run in track order in fp64.
// `vectors` [num_tracks, dim]. `only` [num_tracks]: tracks that change; all tracks count in the
// means. Null: all change.
void shrink_to_priors(const data::Catalog& catalog, const std::vector<int32_t>& support,
                      double strength, int64_t dim, std::span<float> vectors,
                      const std::vector<uint8_t>* only = nullptr);

}  // namespace tutti::ids
