#include "ids/spill.h"

#include <algorithm>

#include "dist/runtime/errors.h"

namespace tutti::ids {
namespace {

// How many tracks some code paths hold. Only paths that a track could move to are known: a few,
// where all paths of ten million tracks would not be.
class PathSizes {
 public:
  explicit PathSizes(const PathChoices& choices) : choices_(choices) {
    size_t num_slots = 16;
    const int64_t num_choices = choices.offsets.back();
    while (num_slots < 2 * static_cast<size_t>(num_choices)) num_slots *= 2;
    slots_.assign(num_slots, -1);
    sizes_.resize(num_choices);
    for (int64_t c = 0; c < num_choices; ++c) {
      auto& slot = slots_[slot_of(choices.path(c))];
      if (slot < 0) slot = c;
    }
  }

  // The size of this path, nullptr when no track could move to it.
  int64_t* find(std::span<const int32_t> path) {
    const int64_t choice = slots_[slot_of(path)];
    return choice < 0 ? nullptr : &sizes_[choice];
  }

 private:
  // Where the path is, or would be: open addressing.
  size_t slot_of(std::span<const int32_t> path) const {
    uint64_t hash = 0x9e3779b97f4a7c15;
    for (const int32_t code : path) {
      hash = (hash ^ static_cast<uint32_t>(code)) * 0xbf58476d1ce4e5b9;
      hash ^= hash >> 31;
    }
    const size_t mask = slots_.size() - 1;
    size_t slot = hash & mask;
    while (slots_[slot] >= 0 && !std::ranges::equal(choices_.path(slots_[slot]), path)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  const PathChoices& choices_;
  std::vector<int64_t> slots_;  // a choice that has the path, -1: free
  std::vector<int64_t> sizes_;  // of the path of that choice
};

}  // namespace

std::vector<int32_t> tracks_above_cap(const CodeGroups& groups, int64_t cap) {
  std::vector<int32_t> tracks;
  for (int64_t g = 0; g < groups.num_groups(); ++g) {
    const auto group = groups.tracks_of(g);
    if (std::ssize(group) > cap) tracks.insert(tracks.end(), group.begin() + cap, group.end());
  }
  std::ranges::sort(tracks);
  return tracks;
}

std::vector<int32_t> spill(const CodeGroups& groups, int64_t cap, std::span<const int32_t> tracks,
                           const PathChoices& choices, std::vector<int32_t>* codes) {
  TUTTI_CHECK(choices.num_rows() == std::ssize(tracks), "a row of choices a track");
  const int64_t num_levels = choices.num_levels;
  PathSizes sizes(choices);
  for (int64_t g = 0; g < groups.num_groups(); ++g) {
    const auto group = groups.tracks_of(g);
    const auto path = std::span(*codes).subspan(group[0] * num_levels, num_levels);
    // Only what is beyond the cap can leave: a crowded group never has room for others.
    if (int64_t* size = sizes.find(path)) *size = std::ssize(group);
  }
  std::vector<int32_t> moved;
  for (int64_t g = 0; g < groups.num_groups(); ++g) {
    const auto group = groups.tracks_of(g);
    for (int64_t i = cap; i < std::ssize(group); ++i) {
      const auto row = std::ranges::lower_bound(tracks, group[i]) - tracks.begin();
      for (int64_t c = choices.offsets[row]; c < choices.offsets[row + 1]; ++c) {
        int64_t* size = sizes.find(choices.path(c));
        if (*size >= cap) continue;
        ++*size;
        std::ranges::copy(choices.path(c), codes->begin() + group[i] * num_levels);
        moved.push_back(group[i]);
        break;
      }
    }
  }
  std::ranges::sort(moved);
  return moved;
}

}  // namespace tutti::ids
