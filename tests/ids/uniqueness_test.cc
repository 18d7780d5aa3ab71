#include "ids/uniqueness.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

namespace tutti::ids {
namespace {

data::StringTable keys_of(const std::vector<std::string>& keys) {
  data::StringTable table;
  for (const auto& key : keys) table.push_back(key);
  return table;
}

TEST(Uniqueness, NumbersAGroupByPopularityThenKey) {
  //                                  a       b       c       d       e
  const std::vector<int32_t> codes{1, 2, 1, 2, 1, 3, 1, 2, 1, 2};
  const auto result =
      assign_suffixes(codes, 2, {5, 9, 1, 5, 0}, keys_of({"k3", "k9", "k0", "k1", "k2"}));
  EXPECT_THAT(result.suffix, testing::ElementsAre(2, 0, 0, 1, 3));
}

TEST(Uniqueness, DoesNotDependOnTheOrderOfTracks) {
  const auto forward = assign_suffixes({4, 4, 4}, 1, {1, 1, 2}, keys_of({"a", "b", "c"}));
  const auto backward = assign_suffixes({4, 4, 4}, 1, {2, 1, 1}, keys_of({"c", "b", "a"}));
  EXPECT_THAT(forward.suffix, testing::ElementsAre(1, 2, 0));
  EXPECT_THAT(backward.suffix, testing::ElementsAre(0, 2, 1));
}

TEST(Uniqueness, ReportsGroupSizes) {
  const auto groups =
      assign_suffixes({1, 1, 1, 2, 3}, 1, {0, 0, 0, 0, 0}, keys_of({"a", "b", "c", "d", "e"}))
          .groups;
  EXPECT_EQ(groups.num_tracks, 5);
  EXPECT_EQ(groups.num_groups, 3);
  EXPECT_EQ(groups.tracks_alone, 2);
  EXPECT_EQ(groups.largest, 3);
  EXPECT_EQ(groups.p50, 3);  // sizes of the tracks' groups: 1 1 3 3 3
}

TEST(Uniqueness, OfNoTracksIsEmpty) {
  const auto result = assign_suffixes({}, 3, {}, {});
  EXPECT_TRUE(result.suffix.empty());
  EXPECT_EQ(result.groups.largest, 0);
}

}  // namespace
}  // namespace tutti::ids
