#pragma once

#include <cstdint>
#include <span>
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

// Of groups of these sizes.
GroupReport summarize_groups(std::vector<int64_t> sizes);

// All tracks sorted by code path and, within a path, most popular first, then by key: a pure
// function of its input that does not depend on the order of tracks. Groups of any size are fine.
class CodeGroups {
 public:
  // `codes` [num_tracks, num_levels], `popularity` [num_tracks] from 0 on. 8 bytes a track beside
  // the input while it sorts (and 4 for an inverted copy of the popularity), 4 to 8 kept.
  CodeGroups(std::span<const int32_t> codes, int64_t num_levels,
             std::span<const int32_t> popularity, const data::StringTable& keys);

  int64_t num_tracks() const { return static_cast<int64_t>(order_.size()); }
  int64_t num_groups() const { return static_cast<int64_t>(starts_.size()) - 1; }
  // The tracks of a group; groups are in the order of their paths.
  std::span<const int32_t> tracks_of(int64_t group) const {
    return std::span(order_).subspan(starts_[group], starts_[group + 1] - starts_[group]);
  }
  // The place of each track in its group: what tells tracks on one code path apart. [num_tracks]
  std::vector<int32_t> suffixes() const;
  GroupReport report() const;

 private:
  std::vector<int32_t> order_;      // [num_tracks]
  std::vector<int32_t> starts_{0};  // [num_groups + 1]
};

}  // namespace tutti::ids
