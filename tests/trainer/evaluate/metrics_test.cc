#include "trainer/evaluate/metrics.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

TEST(Metrics, MatchAHandComputedRanking) {
  // Places 2 and 4 are relevant; track 30 is not found.
  const auto m =
      metrics_at_k(std::vector<int32_t>{5, 10, 6, 20, 7}, std::vector<int32_t>{10, 20, 30}, 10);
  EXPECT_DOUBLE_EQ(m.hits, 2);
  EXPECT_DOUBLE_EQ(m.hit_rate, 1);
  EXPECT_DOUBLE_EQ(m.precision, 0.2);
  EXPECT_DOUBLE_EQ(m.recall, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(m.mrr, 0.5);
  // (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3) + 1/2) = (0.630930 + 0.430677) / 2.130930
  EXPECT_NEAR(m.ndcg, 0.498189, 1e-6);
}

TEST(Metrics, LookAtTheFirstKPlacesOnly) {
  const auto m = metrics_at_k(std::vector<int32_t>{1, 2, 3}, std::vector<int32_t>{3}, 2);
  EXPECT_EQ(m.hits, 0);
  EXPECT_EQ(m.hit_rate, 0);
  EXPECT_EQ(m.ndcg, 0);
  EXPECT_EQ(m.mrr, 0);
}

TEST(Metrics, GiveAPerfectNdcgWhenAllPlacesAreRelevantThoughMoreTracksAre) {
  const auto m = metrics_at_k(std::vector<int32_t>{1, 2}, std::vector<int32_t>{1, 2, 3, 4}, 2);
  EXPECT_DOUBLE_EQ(m.ndcg, 1);
  EXPECT_DOUBLE_EQ(m.precision, 1);
  EXPECT_DOUBLE_EQ(m.recall, 0.5);
}

TEST(Metrics, OfAnEmptyRankingAreZero) {
  const auto m = metrics_at_k({}, std::vector<int32_t>{1}, 10);
  EXPECT_EQ(m.hits, 0);
  EXPECT_EQ(m.precision, 0);
}

TEST(Metrics, AgreeWithADirectEvaluationOnRandomRankings) {
  for (uint64_t trial = 0; trial < 200; ++trial) {
    Rng rng(1, Purpose::kTest, trial);
    const Permutation tracks(40, trial, Purpose::kTest);
    std::vector<int32_t> ranking(rng.below(20));
    for (size_t i = 0; i < ranking.size(); ++i) ranking[i] = static_cast<int32_t>(tracks(i));
    std::set<int32_t> relevant;
    while (relevant.size() < 1 + trial % 15) relevant.insert(static_cast<int32_t>(rng.below(40)));
    const int k = 1 + static_cast<int>(rng.below(12));

    std::vector<double> gains(k, 0.0), ideal(k, 0.0);
    double hits = 0, first = 0, dcg = 0, best = 0;
    for (int i = 0; i < k; ++i) {
      if (i < std::ssize(ranking) && relevant.contains(ranking[i])) gains[i] = 1;
      if (i < std::ssize(relevant)) ideal[i] = 1;
      if (gains[i] > 0 && first == 0) first = i + 1;
      hits += gains[i];
      dcg += gains[i] * std::log(2) / std::log(i + 2);
      best += ideal[i] * std::log(2) / std::log(i + 2);
    }
    const std::vector<int32_t> sorted(relevant.begin(), relevant.end());
    const auto m = metrics_at_k(ranking, sorted, k);
    EXPECT_DOUBLE_EQ(m.hits, hits);
    EXPECT_DOUBLE_EQ(m.hit_rate, hits > 0 ? 1 : 0);
    EXPECT_DOUBLE_EQ(m.precision, hits / k);
    EXPECT_DOUBLE_EQ(m.recall, hits / static_cast<double>(relevant.size()));
    EXPECT_NEAR(m.ndcg, dcg / best, 1e-12);
    EXPECT_DOUBLE_EQ(m.mrr, first > 0 ? 1 / first : 0);
  }
}

TEST(Metrics, AreAveragedOverQueries) {
  const std::vector<MetricsAtK> queries = {{2, 1, 0.2, 0.5, 0.4, 1}, {0, 0, 0, 0, 0, 0}};
  const auto m = mean(queries);
  EXPECT_DOUBLE_EQ(m.hits, 1);
  EXPECT_DOUBLE_EQ(m.hit_rate, 0.5);
  EXPECT_DOUBLE_EQ(m.precision, 0.1);
  EXPECT_DOUBLE_EQ(m.recall, 0.25);
  EXPECT_DOUBLE_EQ(m.ndcg, 0.2);
  EXPECT_DOUBLE_EQ(m.mrr, 0.5);
  EXPECT_EQ(mean({}).hits, 0);
}

TEST(Metrics, RefuseARankingThatHoldsATrackTwice) {
  const std::vector<int32_t> relevant = {1};
  EXPECT_THROW(metrics_at_k(std::vector<int32_t>{1, 2, 1}, relevant, 10), std::logic_error);
}

TEST(Metrics, RefuseAQueryWithoutRelevantTracks) {
  EXPECT_THROW(metrics_at_k(std::vector<int32_t>{1}, {}, 10), std::logic_error);
}

}  // namespace
}  // namespace tutti::trainer
