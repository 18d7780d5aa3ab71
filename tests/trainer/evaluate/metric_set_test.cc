#include "trainer/evaluate/metric_set.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

// All metrics of one list, by name.
class Scored {
 public:
  Scored(std::vector<int> cutoffs, const std::vector<int32_t>& ranking,
         const std::vector<int32_t>& relevant)
      : metrics_(std::move(cutoffs)), values_(metrics_.num_columns()) {
    metrics_.score(ranking, relevant, values_);
  }
  double operator[](const std::string& name) const { return values_[metrics_.column(name)]; }

 private:
  MetricSet metrics_;
  std::vector<double> values_;
};

TEST(MetricSet, MatchesAHandComputedRanking) {
  // Places 2 and 4 are relevant; track 30 is not found.
  const Scored m({3, 10}, {5, 10, 6, 20, 7}, {10, 20, 30});
  EXPECT_DOUBLE_EQ(m["hits@10"], 2);
  EXPECT_DOUBLE_EQ(m["hits@3"], 1);
  EXPECT_DOUBLE_EQ(m["hit_rate@10"], 1);
  EXPECT_DOUBLE_EQ(m["precision@10"], 0.2);
  EXPECT_DOUBLE_EQ(m["recall@10"], 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(m["mrr@10"], 0.5);
  // (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3) + 1/2) = (0.630930 + 0.430677) / 2.130930
  EXPECT_NEAR(m["ndcg@10"], 0.498189, 1e-6);
  EXPECT_DOUBLE_EQ(m["map"], (1.0 / 2 + 2.0 / 4) / 3);
  EXPECT_DOUBLE_EQ(m["r_precision"], 1.0 / 3);
  // Rules page of the challenge: gains 1/log2(2) + 1/log2(4), ideal of two hits 1 + 1/log2(2).
  EXPECT_DOUBLE_EQ(m["ndcg_challenge"], (1 + 0.5) / 2);
  EXPECT_DOUBLE_EQ(m["clicks"], 0);
}

TEST(MetricSet, LooksAtTheFirstKPlacesOnly) {
  const Scored m({2}, {1, 2, 3}, {3});
  for (const char* name : {"hits@2", "hit_rate@2", "ndcg@2", "mrr@2"})
    EXPECT_EQ(m[name], 0) << name;
}

TEST(MetricSet, GivesAPerfectNdcgWhenAllPlacesAreRelevantThoughMoreTracksAre) {
  const Scored m({2}, {1, 2}, {1, 2, 3, 4});
  EXPECT_DOUBLE_EQ(m["ndcg@2"], 1);
  EXPECT_DOUBLE_EQ(m["precision@2"], 1);
  EXPECT_DOUBLE_EQ(m["recall@2"], 0.5);
}

TEST(MetricSet, CountsClicksInPagesOfTenAndGivesUpAfter500Places) {
  std::vector<int32_t> ranking(600);
  for (int32_t i = 0; i < 600; ++i) ranking[i] = i;
  EXPECT_EQ(Scored({10}, ranking, {9})["clicks"], 0);
  EXPECT_EQ(Scored({10}, ranking, {10})["clicks"], 1);
  EXPECT_EQ(Scored({10}, ranking, {499})["clicks"], 49);
  EXPECT_EQ(Scored({10}, ranking, {500})["clicks"], 51);
  EXPECT_EQ(Scored({10}, ranking, {1000})["clicks"], 51);
}

TEST(MetricSet, OfAnEmptyRankingIsZeroButForClicks) {
  const Scored m({10}, {}, {1});
  for (const char* name :
       {"hits@10", "precision@10", "ndcg@10", "map", "r_precision", "ndcg_challenge"}) {
    EXPECT_EQ(m[name], 0) << name;
  }
  EXPECT_EQ(m["clicks"], 51);
}

TEST(MetricSet, AgreesWithADirectEvaluationOnRandomRankings) {
  for (uint64_t trial = 0; trial < 200; ++trial) {
    Rng rng(1, Purpose::kTest, trial);
    const Permutation tracks(40, trial, Purpose::kTest);
    std::vector<int32_t> ranking(rng.below(20));
    for (size_t i = 0; i < ranking.size(); ++i) ranking[i] = static_cast<int32_t>(tracks(i));
    std::set<int32_t> relevant;
    while (relevant.size() < 1 + trial % 15) relevant.insert(static_cast<int32_t>(rng.below(40)));
    const int k = 1 + static_cast<int>(rng.below(12));

    double hits = 0, first = 0, dcg = 0, best = 0, precisions = 0, found = 0, early = 0;
    for (int i = 0; i < std::max<int>(k, std::ssize(ranking)); ++i) {
      const bool hit = i < std::ssize(ranking) && relevant.contains(ranking[i]);
      if (hit) precisions += ++found / (i + 1);
      if (hit && i < std::ssize(relevant)) early += 1;
      if (i >= k) continue;
      if (hit && first == 0) first = i + 1;
      hits += hit ? 1 : 0;
      dcg += hit ? std::log(2) / std::log(i + 2) : 0;
      best += i < std::ssize(relevant) ? std::log(2) / std::log(i + 2) : 0;
    }
    const auto num_relevant = static_cast<double>(relevant.size());
    const Scored m({k}, ranking, {relevant.begin(), relevant.end()});
    const auto at_k = [&](const char* name) { return m[fmt::format("{}@{}", name, k)]; };
    EXPECT_DOUBLE_EQ(at_k("hits"), hits);
    EXPECT_DOUBLE_EQ(at_k("hit_rate"), hits > 0 ? 1 : 0);
    EXPECT_DOUBLE_EQ(at_k("precision"), hits / k);
    EXPECT_DOUBLE_EQ(at_k("recall"), hits / num_relevant);
    EXPECT_NEAR(at_k("ndcg"), dcg / best, 1e-12);
    EXPECT_DOUBLE_EQ(at_k("mrr"), first > 0 ? 1 / first : 0);
    EXPECT_NEAR(m["map"], precisions / num_relevant, 1e-12);
    EXPECT_DOUBLE_EQ(m["r_precision"], early / num_relevant);
  }
}

TEST(MetricSet, RefusesARankingThatHoldsARelevantTrackTwice) {
  EXPECT_THROW(Scored({10}, {1, 2, 1}, {1}), std::logic_error);
}

TEST(MetricSet, RefusesAQueryWithoutRelevantTracks) {
  EXPECT_THROW(Scored({10}, {1}, {}), std::logic_error);
}

TEST(MetricSet, RefusesCutoffsOutOfOrderAndUnknownNames) {
  EXPECT_THROW(MetricSet({10, 5}), std::logic_error);
  EXPECT_THROW(MetricSet({}), std::logic_error);
  EXPECT_THROW(MetricSet({10}).column("hits@5"), std::logic_error);
}

}  // namespace
}  // namespace tutti::trainer
