#include "ids/uniqueness.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
#include "ids/radix_order.h"

namespace tutti::ids {
namespace {

using testing::ElementsAre;

data::StringTable keys_of(const std::vector<std::string>& keys) {
  data::StringTable table;
  for (const auto& key : keys) table.push_back(key);
  return table;
}

std::vector<int32_t> suffixes_of(const std::vector<int32_t>& codes, int64_t num_levels,
                                 const std::vector<int32_t>& popularity,
                                 const std::vector<std::string>& keys) {
  return CodeGroups(codes, num_levels, popularity, keys_of(keys)).suffixes();
}

TEST(Uniqueness, NumbersAGroupByPopularityThenKey) {
  //                                  a       b       c       d       e
  const std::vector<int32_t> codes{1, 2, 1, 2, 1, 3, 1, 2, 1, 2};
  EXPECT_THAT(suffixes_of(codes, 2, {5, 9, 1, 5, 0}, {"k3", "k9", "k0", "k1", "k2"}),
              ElementsAre(2, 0, 0, 1, 3));
}

TEST(Uniqueness, DoesNotDependOnTheOrderOfTracks) {
  EXPECT_THAT(suffixes_of({4, 4, 4}, 1, {1, 1, 2}, {"a", "b", "c"}), ElementsAre(1, 2, 0));
  EXPECT_THAT(suffixes_of({4, 4, 4}, 1, {2, 1, 1}, {"c", "b", "a"}), ElementsAre(0, 2, 1));
}

TEST(Uniqueness, ReportsGroupSizes) {
  const std::vector<int32_t> codes{1, 1, 1, 2, 3}, popularity(5);
  const auto report = CodeGroups(codes, 1, popularity, keys_of({"a", "b", "c", "d", "e"})).report();
  EXPECT_EQ(report.num_tracks, 5);
  EXPECT_EQ(report.num_groups, 3);
  EXPECT_EQ(report.tracks_alone, 2);
  EXPECT_EQ(report.largest, 3);
  EXPECT_EQ(report.p50, 3);  // sizes of the tracks' groups: 1 1 3 3 3
}

TEST(Uniqueness, OfNoTracksIsEmpty) {
  const CodeGroups groups({}, 3, {}, {});
  EXPECT_TRUE(groups.suffixes().empty());
  EXPECT_EQ(groups.report().largest, 0);
}

TEST(Uniqueness, NumbersFiveThousandTracksOnOneCode) {
  const int n = 5000;
  const std::vector<int32_t> codes(2 * n, 7);
  std::vector<int32_t> popularity(n);
  data::StringTable keys;
  for (int t = 0; t < n; ++t) {
    popularity[t] = t % 3;
    keys.push_back(fmt::format("key {:05}", n - t));
  }
  const CodeGroups groups(codes, 2, popularity, keys);
  ASSERT_EQ(groups.num_groups(), 1);
  EXPECT_EQ(groups.report().largest, n);
  EXPECT_EQ(groups.report().p50, n);
  auto suffixes = groups.suffixes();
  EXPECT_EQ(suffixes[4997], 0);  // of the popular ones (t % 3 == 2) the lowest key
  std::ranges::sort(suffixes);
  for (int t = 0; t < n; ++t) ASSERT_EQ(suffixes[t], t);
}

// Against a sort of tuples.
TEST(Uniqueness, AgreesWithAComparisonSort) {
  const int n = 3000, levels = 3;
  Rng rng(3, Purpose::kTest);
  std::vector<int32_t> codes(n * levels), popularity(n);
  std::vector<std::string> keys;
  keys.reserve(n);
  for (auto& code : codes) code = static_cast<int32_t>(rng.below(4));
  // One level of codes that need two digits of the radix sort.
  for (int t = 0; t < n; ++t) codes[t * levels + 1] *= 70000;
  for (auto& p : popularity) p = static_cast<int32_t>(rng.below(3)) * 40000;
  for (int t = 0; t < n; ++t) keys.push_back(fmt::format("{}", rng.next_u64()));
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](int t) {
    return std::tuple(std::vector(&codes[t * levels], &codes[t * levels] + levels), -popularity[t],
                      keys[t]);
  };
  std::ranges::sort(order, {}, rank);
  std::map<std::vector<int32_t>, int32_t> next;
  std::vector<int32_t> expected(n);
  for (const int t : order) expected[t] = next[std::get<0>(rank(t))]++;
  EXPECT_EQ(suffixes_of(codes, levels, popularity, keys), expected);
}

TEST(RadixOrder, IsStableAndSortsByTheFirstColumnFirst) {
  const std::vector<int32_t> a{1, 0, 1, 0, 1}, b{0, 100000, 0, 70000, 65536};
  const DigitColumn columns[] = {{a.data(), 1, 2}, {b.data(), 1, 100001}};
  EXPECT_THAT(radix_order(columns, 5), ElementsAre(3, 1, 0, 2, 4));
}

}  // namespace
}  // namespace tutti::ids
