#include "trainer/evaluate/significance.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

std::vector<double> normals(int n, double mean, uint64_t index) {
  Rng rng(3, Purpose::kTest, index);
  std::vector<double> values(n);
  for (double& v : values) v = mean + rng.normal();
  return values;
}

std::vector<int32_t> own_clusters(int n) {
  std::vector<int32_t> clusters(n);
  std::iota(clusters.begin(), clusters.end(), 100);
  return clusters;
}

TEST(ClusterBootstrap, HasTheNormalIntervalOfTheMeanOfIndependentValues) {
  const auto values = normals(2000, 5, 0);
  double mean = 0, squares = 0;
  for (const double v : values) mean += v / 2000;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const double half = 1.96 * std::sqrt(squares / 1999 / 2000);
  const Interval interval = ClusterBootstrap(own_clusters(2000), 2000, 1).interval_of_mean(values);
  EXPECT_NEAR(interval.low, mean - half, 0.1 * half);
  EXPECT_NEAR(interval.high, mean + half, 0.1 * half);
}

TEST(ClusterBootstrap, WidensTheIntervalWhenQueriesOfATitleGoTogether) {
  // 50 titles of 20 equal queries say as much as 50 queries, not as 1,000.
  const auto of_title = normals(50, 0, 1);
  std::vector<double> values;
  std::vector<int32_t> clusters;
  for (int title = 0; title < 50; ++title) {
    for (int i = 0; i < 20; ++i) {
      values.push_back(of_title[title]);
      clusters.push_back(title);
    }
  }
  const Interval together = ClusterBootstrap(clusters, 1000, 1).interval_of_mean(values);
  const Interval apart = ClusterBootstrap(own_clusters(1000), 1000, 1).interval_of_mean(values);
  EXPECT_NEAR((together.high - together.low) / (apart.high - apart.low), std::sqrt(20), 0.7);
}

TEST(ClusterBootstrap, DoesNotDependOnTheNumbersOfClusters) {
  const auto values = normals(6, 0, 2);
  const Interval a =
      ClusterBootstrap(std::vector<int32_t>{0, 1, 0, 2, 2, 1}, 100, 4).interval_of_mean(values);
  const Interval b =
      ClusterBootstrap(std::vector<int32_t>{9, 3, 9, 7, 7, 3}, 100, 4).interval_of_mean(values);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
}

TEST(ClusterBootstrap, FindsARealDifferenceAndNoOther) {
  const auto noise = normals(500, 0, 3), base = normals(500, 0, 4);
  std::vector<double> same(500), better(500);
  for (int i = 0; i < 500; ++i) {
    same[i] = base[i] + 0.5 * noise[i];
    better[i] = base[i] + 0.5 * noise[i] + 0.2;
  }
  const ClusterBootstrap bootstrap(own_clusters(500), 1000, 5);
  const PairedComparison real = bootstrap.compare(better, base),
                         none = bootstrap.compare(same, base);
  EXPECT_LT(real.p_value, 0.002);
  EXPECT_GT(real.interval.low, 0);
  EXPECT_NEAR(real.effect_size, 0.4, 0.1);
  EXPECT_GT(none.p_value, 0.05);
}

TEST(ClusterBootstrap, PairsTheMeansOfARatio) {
  // b = 2 a in every query: each resample's ratio is one half, however much both vary.
  auto a = normals(200, 5, 6);
  std::vector<double> twice(a);
  for (double& v : twice) v *= 2;
  const ClusterBootstrap bootstrap(own_clusters(200), 500, 7);
  const Interval half = bootstrap.interval_of_ratio(a, twice);
  EXPECT_NEAR(half.low, 0.5, 1e-12);
  EXPECT_NEAR(half.high, 0.5, 1e-12);
  // Independent ones of mean 5 and deviation 1: the delta method gives 1 +- 1.96 sqrt(2 / 200) / 5.
  const auto b = normals(200, 5, 8);
  const double ratio =
      std::accumulate(a.begin(), a.end(), 0.0) / std::accumulate(b.begin(), b.end(), 0.0);
  const Interval apart = bootstrap.interval_of_ratio(a, b);
  EXPECT_NEAR(apart.low, ratio - 0.0392, 0.007);
  EXPECT_NEAR(apart.high, ratio + 0.0392, 0.007);
}

TEST(ClusterBootstrap, KnowsNoBoundOfARatioToWhatIsMostlyZero) {
  const std::vector<double> a = {1, 1, 1, 1}, b = {0, 0, 0, 1};
  const Interval interval = ClusterBootstrap(own_clusters(4), 1000, 1).interval_of_ratio(a, b);
  EXPECT_TRUE(std::isinf(interval.high));
  EXPECT_TRUE(std::isfinite(interval.low));
}

TEST(ClusterBootstrap, RejectsTrueNullHypothesesAsOftenAsItsLevelSays) {
  int rejected = 0;
  for (uint64_t trial = 0; trial < 300; ++trial) {
    const auto a = normals(100, 0, 1000 + 2 * trial), b = normals(100, 0, 1001 + 2 * trial);
    rejected +=
        ClusterBootstrap(own_clusters(100), 300, trial).compare(a, b).p_value < 0.05 ? 1 : 0;
  }
  EXPECT_NEAR(rejected / 300.0, 0.05, 0.03);
}

TEST(ClusterBootstrap, OfNoQueriesSaysNothing) {
  const ClusterBootstrap bootstrap({}, 10, 0);
  EXPECT_EQ(bootstrap.interval_of_mean({}).high, 0);
  EXPECT_EQ(bootstrap.compare({}, {}).p_value, 1);
}

TEST(HolmCorrected, MultipliesByTheTestsThatAreLeftAndNeverFalls) {
  // Holm 1979: 0.01 * 4, 0.02 * 3, 0.03 * 2 (raised to the one before), 0.5 * 1.
  EXPECT_THAT(holm_corrected(std::vector<double>{0.03, 0.01, 0.5, 0.02}),
              ElementsAre(DoubleNear(0.06, 1e-12), DoubleNear(0.04, 1e-12), DoubleNear(0.5, 1e-12),
                          DoubleNear(0.06, 1e-12)));
  EXPECT_THAT(holm_corrected(std::vector<double>{0.6, 0.7}), ElementsAre(1.0, 1.0));
}

}  // namespace
}  // namespace tutti::trainer
