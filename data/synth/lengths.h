#pragma once

#include <cstdint>

#include "dist/runtime/rng.h"

namespace tutti::data {

// The location of a log-normal of this sigma whose part in [first - 1/2, last + 1/2) has this mean.
double location_of_cut_lognormal(double mean, double sigma, int64_t first, int64_t last);

// A number of tracks: log-normal of this location and sigma, rounded, drawn again outside
// [first, last].
int64_t draw_length(double location, double sigma, int64_t first, int64_t last, Rng& rng);

// When a playlist was changed last, in seconds since 1970. MPD's playlists were made from January
// 2010 to October 2017, later years more.
int64_t draw_modified_at(Rng& rng);

}  // namespace tutti::data
