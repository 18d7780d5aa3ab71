#include "trainer/evaluate/track_facts.h"

#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "trainer/evaluate/metric_set.h"

namespace tutti::trainer {
namespace {

// 200 tracks; track t is by artist t / 2, the last one by nobody known; track t is in 199 - t
// training playlists.
data::Catalog catalog_of_200() {
  data::Catalog catalog;
  for (int32_t t = 0; t < 200; ++t) {
    catalog.track_keys.push_back(std::to_string(t));
    catalog.track_artist.push_back(t == 199 ? -1 : t / 2);
  }
  return catalog;
}

std::vector<int32_t> falling_counts() {
  std::vector<int32_t> counts(200);
  std::iota(counts.rbegin(), counts.rend(), 0);
  return counts;
}

TEST(TrackFacts, CutPopularityIntoHeadTorsoAndTail) {
  const auto facts = make_track_facts(catalog_of_200(), falling_counts());
  EXPECT_EQ(facts.popularity[0], Popularity::kHead);
  EXPECT_EQ(facts.popularity[1], Popularity::kHead);
  EXPECT_EQ(facts.popularity[2], Popularity::kTorso);
  EXPECT_EQ(facts.popularity[39], Popularity::kTorso);
  EXPECT_EQ(facts.popularity[40], Popularity::kTail);
}

TEST(TrackFacts, MeasureAListBesideItsHits) {
  const std::vector<float> vectors = [] {
    std::vector<float> all(400, 0.0F);
    for (int t = 0; t < 200; ++t) all[2 * t + t % 2] = 1.0F + static_cast<float>(t);  // two axes
    return all;
  }();
  const auto facts = std::make_shared<const TrackFacts>(
      make_track_facts(catalog_of_200(), falling_counts(), vectors, 2));
  const MetricSet metrics({2, 4}, 4, facts);
  std::vector<double> out(metrics.num_columns());
  // Artists 0, 0, 5, unknown; the fifth track is behind the cutoff.
  const std::vector<int32_t> ranking = {0, 1, 10, 199, 50}, relevant = {1, 10, 50};
  metrics.score(ranking, relevant, out);
  const auto value = [&](const char* name) { return out[metrics.column(name)]; };
  EXPECT_EQ(value("distinct_artists@4"), 3);
  EXPECT_EQ(value("popularity@4"), (199 + 198 + 189 + 0) / 4.0);
  EXPECT_EQ(value("tail_share@4"), 0.25);
  EXPECT_EQ(value("hits_head@4"), 1);
  EXPECT_EQ(value("hits_torso@4"), 1);
  EXPECT_EQ(value("hits_tail@4"), 0);
  // Axes 0, 1, 0, 1: of six pairs two are alike, four at right angles.
  EXPECT_NEAR(value("list_distance@4"), 4.0 / 6, 1e-12);
}

TEST(TrackFacts, HitsByPopularityAddUpToTheHits) {
  const auto facts =
      std::make_shared<const TrackFacts>(make_track_facts(catalog_of_200(), falling_counts()));
  const MetricSet metrics({10}, 10, facts);
  std::vector<double> out(metrics.num_columns());
  metrics.score(std::vector<int32_t>{0, 3, 5, 60, 100, 7}, std::vector<int32_t>{0, 5, 7, 100}, out);
  const auto value = [&](const char* name) { return out[metrics.column(name)]; };
  EXPECT_EQ(value("hits_head@10") + value("hits_torso@10") + value("hits_tail@10"),
            value("hits@10"));
}

TEST(ListUse, IsZeroWhereEveryTrackIsListedAlikeAndNearOneWhereOneIs) {
  std::vector<std::vector<int32_t>> alike, same;
  for (int32_t t = 0; t < 50; ++t) {
    alike.push_back({t});
    same.push_back({7});
  }
  const ListUse even = use_of(alike, 50, 10), uneven = use_of(same, 50, 10);
  EXPECT_DOUBLE_EQ(even.coverage, 1);
  EXPECT_NEAR(even.gini, 0, 1e-12);
  EXPECT_DOUBLE_EQ(uneven.coverage, 1.0 / 50);
  EXPECT_NEAR(uneven.gini, 1, 1e-12);
}

// Gini's definition: the mean absolute difference of all pairs over twice the mean, and n / (n - 1)
// so that it can reach one.
TEST(ListUse, HasTheGiniOfItsDefinition) {
  const std::vector<std::vector<int32_t>> lists = {{0, 1, 2}, {0, 1, 3}, {0, 4, 2}};
  const std::vector<double> times = {3, 2, 2, 1, 1, 0};
  double differences = 0;
  for (const double a : times) {
    for (const double b : times) differences += std::abs(a - b);
  }
  const double n = 6, mean = 9.0 / 6;
  EXPECT_NEAR(use_of(lists, 6, 3).gini, differences / (n * n) / (2 * mean) * n / (n - 1), 1e-12);
}

TEST(ListUse, NoticesATrackThatAListHoldsTwice) {
  EXPECT_DOUBLE_EQ(use_of(std::vector<std::vector<int32_t>>{{1, 2, 1, 3}}, 5, 10).distinct, 0.75);
  EXPECT_DOUBLE_EQ(use_of(std::vector<std::vector<int32_t>>{{1, 2, 1, 3}}, 5, 2).distinct, 1);
}

TEST(AliasedShare, CountsTracksThatOnlyTheirSuffixTellsApart) {
  ids::IdTable table;
  table.levels = {{0, 2}, {2, 2}};
  for (const int32_t token : {0, 2, 0, 3, 1, 2}) table.tokens.push_back(token);
  table.offsets = {0, 2, 4, 6};
  const std::vector<std::vector<int32_t>> lists = {{0, 2}, {1, 2}, {2}};
  EXPECT_DOUBLE_EQ(aliased_share(lists, table, 10), 2.0 / 5);
  EXPECT_DOUBLE_EQ(aliased_share(lists, table, 1), 2.0 / 3);
}

}  // namespace
}  // namespace tutti::trainer
