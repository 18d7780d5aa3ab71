#include "ids/uniqueness.h"

#include <algorithm>
#include <utility>

#include "dist/runtime/errors.h"
#include "ids/radix_order.h"

namespace tutti::ids {
namespace {

// The group size that `percent` of all tracks do not exceed; `sizes` of groups, ascending.
int64_t size_at(const std::vector<int64_t>& sizes, int64_t num_tracks, int64_t percent) {
  const int64_t wanted = num_tracks == 0 ? 0 : (num_tracks - 1) * percent / 100;
  int64_t tracks = 0;
  for (const int64_t size : sizes) {
    tracks += size;
    if (tracks > wanted) return size;
  }
  return 0;
}

}  // namespace

CodeGroups::CodeGroups(std::span<const int32_t> codes, int64_t num_levels,
                       std::span<const int32_t> popularity, const data::StringTable& keys) {
  const auto num_tracks = std::ssize(popularity);
  TUTTI_CHECK(keys.size() == num_tracks && std::ssize(codes) == num_tracks * num_levels,
              "codes, popularity and keys of the same tracks");
  auto columns = code_columns(codes, num_levels);
  {
    // Popular tracks first: the radix sort rises.
    const int32_t most = num_tracks == 0 ? 0 : *std::ranges::max_element(popularity);
    std::vector<int32_t> rarity(num_tracks);
    std::ranges::transform(popularity, rarity.begin(), [most](int32_t n) { return most - n; });
    columns.push_back({rarity.data(), 1, most + int64_t{1}});
    order_ = radix_order(columns, num_tracks);
  }

  const auto same_path = [&](int32_t a, int32_t b) {
    return std::equal(&codes[a * num_levels], &codes[a * num_levels] + num_levels,
                      &codes[b * num_levels]);
  };
  int64_t tied = 0;  // the first place of equal path and popularity
  for (int64_t i = 1; i <= num_tracks; ++i) {
    const bool group_ends = i == num_tracks || !same_path(order_[i - 1], order_[i]);
    if (group_ends || popularity[order_[i - 1]] != popularity[order_[i]]) {
      std::sort(order_.begin() + tied, order_.begin() + i,
                [&](int32_t a, int32_t b) { return keys[a] < keys[b]; });
      tied = i;
    }
    if (group_ends) starts_.push_back(static_cast<int32_t>(i));
  }
}

std::vector<int32_t> CodeGroups::suffixes() const {
  std::vector<int32_t> suffixes(num_tracks());
  for (int64_t g = 0; g < num_groups(); ++g) {
    int32_t place = 0;
    for (const int32_t track : tracks_of(g)) suffixes[track] = place++;
  }
  return suffixes;
}

GroupReport CodeGroups::report() const {
  std::vector<int64_t> sizes(num_groups());
  for (int64_t g = 0; g < num_groups(); ++g) sizes[g] = std::ssize(tracks_of(g));
  return summarize_groups(std::move(sizes));
}

GroupReport summarize_groups(std::vector<int64_t> sizes) {
  GroupReport report;
  report.num_groups = std::ssize(sizes);
  for (const int64_t size : sizes) {
    report.num_tracks += size;
    report.tracks_alone += size == 1;
  }
  std::ranges::sort(sizes);
  report.largest = sizes.empty() ? 0 : sizes.back();
  report.p50 = size_at(sizes, report.num_tracks, 50);
  report.p90 = size_at(sizes, report.num_tracks, 90);
  report.p99 = size_at(sizes, report.num_tracks, 99);
  return report;
}

}  // namespace tutti::ids
