#include "data/sampler.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

namespace tutti::data {
namespace {

std::vector<int64_t> epoch_of(int64_t n, int64_t window, uint64_t seed, int64_t epoch) {
  const EpochOrder order(n, window, seed, epoch);
  std::vector<int64_t> items;
  for (int64_t p = 0; p < n; ++p) items.push_back(order.item_at(p));
  return items;
}

std::vector<int64_t> iota(int64_t n) {
  std::vector<int64_t> v(n);
  std::iota(v.begin(), v.end(), 0);
  return v;
}

TEST(EpochOrder, VisitsEachItemOnceForAnyWindow) {
  for (const int64_t n : {1, 2, 7, 64, 1000}) {
    for (const int64_t window : {1, 3, 64, 5000}) {
      auto items = epoch_of(n, window, 5, 0);
      std::sort(items.begin(), items.end());
      EXPECT_EQ(items, iota(n)) << "n " << n << ", window " << window;
    }
  }
}

TEST(EpochOrder, StaysInsideAWindowUntilAllOfItIsVisited) {
  const auto items = epoch_of(103, 10, 1, 0);
  int64_t changes = 0;
  for (size_t i = 1; i < items.size(); ++i) changes += items[i] / 10 != items[i - 1] / 10;
  EXPECT_EQ(changes, 10);  // 11 windows
}

TEST(EpochOrder, DiffersBetweenEpochsAndSeedsAndIsShuffled) {
  const auto first = epoch_of(500, 50, 1, 0);
  EXPECT_NE(first, iota(500));
  EXPECT_NE(first, epoch_of(500, 50, 1, 1));
  EXPECT_NE(first, epoch_of(500, 50, 2, 0));
  EXPECT_EQ(first, epoch_of(500, 50, 1, 0));
}

TEST(EpochOrder, OrdersOneWindowDifferentlyInEachEpoch) {
  EXPECT_NE(epoch_of(40, 40, 3, 0), epoch_of(40, 40, 3, 1));
}

TEST(ItemsOfStep, ConcatenateToWholeEpochsAcrossTheirBorders) {
  const int64_t n = 10, per_step = 4, window = 3;
  std::vector<int64_t> all;
  for (int64_t step = 0; step < 5; ++step) {
    const auto items = items_of_step(step, per_step, n, window, 9);
    ASSERT_EQ(std::ssize(items), per_step);
    all.insert(all.end(), items.begin(), items.end());
  }
  std::vector<int64_t> expected = epoch_of(n, window, 9, 0);
  const auto second = epoch_of(n, window, 9, 1);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(all, expected);
}

TEST(ItemsOfStep, FillAStepThatIsLongerThanTheDataset) {
  const auto items = items_of_step(0, 7, 3, 2, 4);
  EXPECT_EQ(std::ssize(items), 7);
  for (int64_t item = 0; item < 3; ++item)
    EXPECT_GE(std::count(items.begin(), items.end(), item), 2);
}

TEST(ItemsOfStep, AreTheSameWhateverStepTheRunStartedFrom) {
  const auto late = items_of_step(1234, 8, 777, 50, 6);
  EXPECT_EQ(late, items_of_step(1234, 8, 777, 50, 6));
  EXPECT_NE(late, items_of_step(1235, 8, 777, 50, 6));
}

TEST(DealByCost, GivesEveryItemToOneRankAtAnyWorldSize) {
  std::vector<int64_t> costs;
  for (int64_t i = 0; i < 50; ++i) costs.push_back(1 + (i * 37) % 101);
  for (const int ranks : {1, 2, 3, 8, 64}) {
    const auto deal = deal_by_cost(costs, ranks);
    ASSERT_EQ(std::ssize(deal), ranks);
    std::vector<int32_t> all;
    for (const auto& items : deal) {
      EXPECT_TRUE(std::is_sorted(items.begin(), items.end()));
      all.insert(all.end(), items.begin(), items.end());
    }
    std::sort(all.begin(), all.end());
    std::vector<int32_t> expected(costs.size());
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(all, expected);
  }
}

TEST(DealByCost, KeepsTheHeaviestRankWithinGrahamsBound) {
  std::vector<int64_t> costs;
  for (int64_t i = 0; i < 97; ++i) costs.push_back(1 + (i * i * 31) % 257);
  const auto total = std::accumulate(costs.begin(), costs.end(), int64_t{0});
  const auto longest = *std::max_element(costs.begin(), costs.end());
  for (const int ranks : {2, 5, 16}) {
    int64_t heaviest = 0;
    for (const auto& items : deal_by_cost(costs, ranks)) {
      int64_t load = 0;
      for (const int32_t i : items) load += costs[i];
      heaviest = std::max(heaviest, load);
    }
    // Longest first: at most 4/3 of the optimum, which is at least max(mean, longest).
    EXPECT_LE(
        static_cast<double>(heaviest),
        4.0 / 3.0 * std::max(static_cast<double>(total) / ranks, static_cast<double>(longest)));
  }
}

TEST(DealByCost, GivesTiesToTheLowestRank) {
  EXPECT_EQ(deal_by_cost({5, 5, 5}, 2), (std::vector<std::vector<int32_t>>{{0, 2}, {1}}));
  EXPECT_EQ(deal_by_cost({}, 2), (std::vector<std::vector<int32_t>>{{}, {}}));
}

}  // namespace
}  // namespace tutti::data
