#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ids/path_choices.h"
#include "ids/uniqueness.h"

namespace tutti::ids {

struct SpillOptions {
  int64_t group_cap = 0;   // tracks a code path may hold before it sheds some; 0: any number
  double tolerance = 0.1;  // tau: a track moves when its squared error grows by at most this share
};

struct SpillReport {
  int64_t groups_above_cap = 0;
  int64_t tracks_above_cap = 0;  // of those groups, beyond the cap
  int64_t tracks_moved = 0;
};

// The tracks beyond the cap of their group, the least popular ones, in rising order.
std::vector<int32_t> tracks_above_cap(const CodeGroups& groups, int64_t cap);

// Moves tracks of crowded groups to the nearest of their choices that holds less than `cap` tracks;
// one without such a choice stays. Those who move are decided group by group, popular tracks
// first, so the result is a pure function of its input. `tracks`: of tracks_above_cap; `choices`:
// one row each. `codes` [num_tracks, num_levels] is changed. Returns the tracks moved, rising.
std::vector<int32_t> spill(const CodeGroups& groups, int64_t cap, std::span<const int32_t> tracks,
                           const PathChoices& choices, std::vector<int32_t>* codes);

}  // namespace tutti::ids
