#include "trainer/baselines/popularity.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tutti::trainer {
namespace {

using testing::ElementsAre;

TEST(PopularityRanker, PutsTracksOfMorePlaylistsFirstAndLowerRowsFirstAmongEquals) {
  PopularityRanker ranker({2, 5, 0, 5, 2});
  EXPECT_THAT(ranker.order(), ElementsAre(1, 3, 0, 4, 2));
  EXPECT_THAT(ranker.places(), ElementsAre(2, 0, 4, 1, 3));
}

TEST(PopularityRanker, GivesEveryTitleTheSameList) {
  PopularityRanker ranker({2, 5, 0});
  const std::vector<std::string> titles = {"rain", "sun"};
  const auto lists = ranker.rank(titles, 2);
  ASSERT_EQ(lists.size(), 2U);
  for (const auto& list : lists) {
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0].track, 1);
    EXPECT_EQ(list[0].score, 5);
    EXPECT_EQ(list[1].track, 0);
  }
}

TEST(PopularityRanker, GivesTheWholeCatalogWhenItIsSmallerThanK) {
  PopularityRanker ranker({1, 2});
  const std::vector<std::string> titles = {"rain"};
  EXPECT_EQ(ranker.rank(titles, 10).front().size(), 2U);
}

}  // namespace
}  // namespace tutti::trainer
