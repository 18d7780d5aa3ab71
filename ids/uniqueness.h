#pragma once

#include <cstdint>
#include <vector>

#include "data/string_table.h"

namespace tutti::ids {

// How tracks share codes. A group: the tracks of one code path.
struct GroupReport {
  int64_t num_tracks = 0, num_groups = 0;
  int64_t tracks_alone = 0;
  int64_t largest = 0;                // also the number of suffix tokens
  int64_t p50 = 0, p90 = 0, p99 = 0;  // group sizes, over tracks: of the track's own group
};

struct Suffixes {
  std::vector<int32_t> suffix;  // [num_tracks], 0 .. size of the track's group - 1
  GroupReport groups;
};

// Numbers the tracks of each code path, most popular first, then by key: a pure function of its
// input, for groups of any size. `codes` [num_tracks, num_levels]; `popularity` [num_tracks].
Suffixes assign_suffixes(const std::vector<int32_t>& codes, int64_t num_levels,
                         const std::vector<int32_t>& popularity, const data::StringTable& keys);

}  // namespace tutti::ids
