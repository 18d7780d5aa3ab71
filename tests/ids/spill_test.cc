#include "ids/spill.h"

#include <gmock/gmock.h>

#include <cmath>

#include <gtest/gtest.h>

#include "tests/ids/random_rows.h"

namespace tutti::ids {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Six tracks a .. f, the first the most popular.
struct Six {
  std::vector<int32_t> codes, popularity{60, 50, 40, 30, 20, 10};
  data::StringTable keys;

  explicit Six(std::vector<int32_t> paths) : codes(std::move(paths)) {
    for (const char* key : {"a", "b", "c", "d", "e", "f"}) keys.push_back(key);
  }
  CodeGroups groups() const { return {codes, 1, popularity, keys}; }
};

PathChoices choices_of(const std::vector<std::vector<int32_t>>& rows) {
  PathChoices choices;
  choices.num_levels = 1;
  for (const auto& row : rows) {
    choices.paths.insert(choices.paths.end(), row.begin(), row.end());
    choices.offsets.push_back(std::ssize(choices.paths));
  }
  return choices;
}

TEST(Spill, MovesTheLeastPopularToTheirNearestFreePath) {
  Six six({1, 1, 1, 1, 1, 2});
  const auto groups = six.groups();
  const auto crowded = tracks_above_cap(groups, 2);
  EXPECT_THAT(crowded, ElementsAre(2, 3, 4));
  // c takes the last place of path 2, so d goes on to its second choice; e has none.
  const auto moved = spill(groups, 2, crowded, choices_of({{2, 3}, {2, 3}, {}}), &six.codes);
  EXPECT_THAT(moved, ElementsAre(2, 3));
  EXPECT_THAT(six.codes, ElementsAre(1, 1, 2, 3, 1, 2));
}

TEST(Spill, NeverMovesIntoACrowdedGroup) {
  Six six({1, 1, 2, 2, 2, 1});
  const auto groups = six.groups();
  const auto crowded = tracks_above_cap(groups, 1);
  EXPECT_THAT(crowded, ElementsAre(1, 3, 4, 5));
  // b and d would swap places; both groups are full, whoever leaves.
  const auto moved = spill(groups, 1, crowded, choices_of({{2}, {1}, {7, 1}, {7}}), &six.codes);
  EXPECT_THAT(moved, ElementsAre(5));  // path 1 comes first, and its f takes path 7 before e
  EXPECT_THAT(six.codes, ElementsAre(1, 1, 2, 2, 2, 7));
}

TEST(Spill, LeavesGroupsUpToTheCapAlone) {
  Six six({1, 1, 1, 2, 2, 2});
  EXPECT_THAT(tracks_above_cap(six.groups(), 3), IsEmpty());
  EXPECT_THAT(spill(six.groups(), 3, {}, choices_of({}), &six.codes), IsEmpty());
  EXPECT_THAT(six.codes, ElementsAre(1, 1, 1, 2, 2, 2));
}

// Two levels of two codes on a line: paths at -11, -9, 9, 11.
Codebooks line() {
  return {NormHandling::kRaw, {0}, {{2, 1, {-10, 10}}, {2, 1, {-1, 1}}}};
}

TEST(PathChoices, AreTheBeamsOtherPathsWithinTheTolerance) {
  const std::vector<float> rows{9.75F, 9, 10};
  ThreadPool pool(1);
  auto shard = source_of(rows, 1, 0, 3);
  // Row 0: errors 0.75^2 and 1.25^2, the second 2.78 times the first.
  const auto none = encode_choices(shard, line(), 4, 1.7, pool);
  EXPECT_THAT(none.offsets, ElementsAre(0, 0, 0, 1));  // row 2 is as far from 9 as from 11
  EXPECT_THAT(none.paths, ElementsAre(1, 1));
  const auto one = encode_choices(shard, line(), 4, 1.8, pool);
  EXPECT_THAT(one.offsets, ElementsAre(0, 1, 1, 2));  // row 1 is met exactly: it never moves
  EXPECT_THAT(one.paths, ElementsAre(1, 1, 1, 1));
  const auto all = encode_choices(shard, line(), 4, 1e9, pool);
  EXPECT_THAT(all.offsets, ElementsAre(0, 3, 3, 6));
  EXPECT_THAT(std::vector(all.path(1).begin(), all.path(1).end()), ElementsAre(0, 1));  // -9
}

}  // namespace
}  // namespace tutti::ids
