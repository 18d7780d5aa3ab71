#include "trainer/baselines/cf_nearest.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
#include "tests/trainer/tiny_playlists.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kDim = 6;
constexpr int kTracks = 9000;  // more than a tile

// Playlists of some titles over many tracks, and a random vector a track.
class CfNearest : public testing::Test {
 protected:
  CfNearest() {
    Rng rng(3, Purpose::kTest);
    for (int64_t i = 0; i < kTracks * kDim; ++i)
      vectors_.push_back(static_cast<float>(rng.normal()));
    playlists_.add("rainy day", {1, 2, 8500});
    playlists_.add("rainy day", {2, 3});
    playlists_.add("rainy night", {4});
    playlists_.add("summer", {5, kTracks - 1});
    index_ = TitleIndex::build(playlists_.titles, playlists_.num_tracks(), playlists_.source());
  }

  TinyPlaylists playlists_;
  TitleIndex index_;
  std::vector<float> vectors_;
};

TEST_F(CfNearest, RanksAllTracksByTheirProductWithTheMeanOfNearTitles) {
  PopularityRanker popularity(playlists_.train_counts);
  TitleVoteRanker titles(index_, popularity, {});
  for (const bool unit_length : {true, false}) {
    CfNearestRanker ranker(vectors_, kDim, index_, titles, popularity,
                           {.num_titles = 10, .unit_length = unit_length});
    const auto list = ranker.rank(std::vector<std::string>{"rainy day"}, 12)[0];

    std::vector<double> length(kTracks, 1.0), mean(kDim, 0.0);
    for (int t = 0; unit_length && t < kTracks; ++t) {
      double squares = 0;
      for (int64_t d = 0; d < kDim; ++d) squares += std::pow(vectors_[t * kDim + d], 2);
      length[t] = std::sqrt(squares);
    }
    const auto add = [&](int track, double weight) {
      for (int64_t d = 0; d < kDim; ++d)
        mean[d] += weight * vectors_[track * kDim + d] / length[track];
    };
    const double night = titles.neighbours_of("rainy day", 2).at(1).similarity;
    EXPECT_GT(night, 0);
    EXPECT_LT(night, 1);
    for (const auto& [track, times] : {std::pair(1, 1), {2, 2}, {3, 1}, {8500, 1}})
      add(track, times / 5.0);
    add(4, night);
    std::vector<std::pair<double, int>> expected;
    for (int t = 0; t < kTracks; ++t) {
      double product = 0;
      for (int64_t d = 0; d < kDim; ++d) product += mean[d] * vectors_[t * kDim + d] / length[t];
      expected.emplace_back(-product, t);
    }
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(list.size(), 12U);
    for (size_t i = 0; i < list.size(); ++i) {
      EXPECT_EQ(list[i].track, expected[i].second);
      EXPECT_NEAR(list[i].score, -expected[i].first, 1e-4);
    }
  }
}

TEST_F(CfNearest, GivesPopularTracksForATitleWithoutANeighbour) {
  PopularityRanker popularity(playlists_.train_counts);
  TitleVoteRanker titles(index_, popularity, {});
  CfNearestRanker ranker(vectors_, kDim, index_, titles, popularity, {});
  const auto lists = ranker.rank(std::vector<std::string>{"jazz", "summer"}, 2);
  EXPECT_EQ(lists[0][0].track, 2);  // the only one in two playlists
  EXPECT_EQ(lists[0].size(), 2U);
  EXPECT_NE(lists[1][0].score, lists[0][0].score);
}

}  // namespace
}  // namespace tutti::trainer
