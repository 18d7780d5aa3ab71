#include "ids/uniqueness.h"

#include <algorithm>
#include <compare>
#include <numeric>

#include "dist/runtime/errors.h"

namespace tutti::ids {

Suffixes assign_suffixes(const std::vector<int32_t>& codes, int64_t num_levels,
                         const std::vector<int32_t>& popularity, const data::StringTable& keys) {
  const auto num_tracks = static_cast<int64_t>(popularity.size());
  TUTTI_CHECK(keys.size() == num_tracks && std::ssize(codes) == num_tracks * num_levels,
              "codes, popularity and keys of the same tracks");
  std::vector<int64_t> order(num_tracks);
  std::iota(order.begin(), order.end(), 0);
  const auto compare_codes = [&](int64_t a, int64_t b) {
    const int32_t *x = &codes[a * num_levels], *y = &codes[b * num_levels];
    return std::lexicographical_compare_three_way(x, x + num_levels, y, y + num_levels);
  };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const auto by_codes = compare_codes(a, b);
    if (std::is_neq(by_codes)) return std::is_lt(by_codes);
    if (popularity[a] != popularity[b]) return popularity[a] > popularity[b];
    return keys[a] < keys[b];
  });

  Suffixes result;
  result.suffix.resize(num_tracks);
  auto& groups = result.groups;
  groups.num_tracks = num_tracks;
  std::vector<int64_t> sizes;  // of each track's group
  sizes.reserve(num_tracks);
  for (int64_t first = 0; first < num_tracks;) {
    int64_t last = first + 1;
    while (last < num_tracks && std::is_eq(compare_codes(order[first], order[last]))) ++last;
    const int64_t size = last - first;
    for (int64_t i = first; i < last; ++i) {
      result.suffix[order[i]] = static_cast<int32_t>(i - first);
    }
    sizes.insert(sizes.end(), size, size);
    ++groups.num_groups;
    groups.tracks_alone += size == 1;
    groups.largest = std::max(groups.largest, size);
    first = last;
  }
  std::sort(sizes.begin(), sizes.end());
  const auto quantile = [&](int64_t percent) {
    return sizes.empty() ? 0 : sizes[(num_tracks - 1) * percent / 100];
  };
  groups.p50 = quantile(50);
  groups.p90 = quantile(90);
  groups.p99 = quantile(99);
  return result;
}

}  // namespace tutti::ids
