#include "launch/nearest.h"

#include <vector>

#include <gtest/gtest.h>

namespace tutti::launch {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("train", "train"), 0);
  EXPECT_EQ(edit_distance("train", "tran"), 1);
  EXPECT_EQ(edit_distance("train", "trains"), 1);
  EXPECT_EQ(edit_distance("train", "brain"), 1);
  EXPECT_EQ(edit_distance("train", "tarin"), 1);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

TEST(Nearest, FindsTheWordThatWasMeant) {
  const std::vector<std::string> words = {"import mpd", "train", "evaluate"};
  EXPECT_EQ(nearest("imprt mdp", words), "import mpd");
  EXPECT_EQ(nearest("trian", words), "train");
  EXPECT_EQ(nearest("evalaute", words), "evaluate");
}

TEST(Nearest, DoesNotGuessWhenNothingIsNear) {
  const std::vector<std::string> words = {"train", "out"};
  EXPECT_EQ(nearest("frobnicate", words), "");
  EXPECT_EQ(nearest("x", words), "");
  EXPECT_EQ(nearest("", words), "");
}

}  // namespace
}  // namespace tutti::launch
