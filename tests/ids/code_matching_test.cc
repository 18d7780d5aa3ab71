#include "ids/code_matching.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"

namespace tutti::ids {
namespace {

TEST(BestMatching, GainsAsMuchAsTheBestOfAllPermutations) {
  Rng rng(3, Purpose::kTest);
  for (const int n : {1, 2, 5, 7}) {
    for (int run = 0; run < 20; ++run) {
      std::vector<int64_t> gains(n * n);
      for (auto& gain : gains) gain = static_cast<int64_t>(rng.below(12));
      const auto gain_of = [&](const std::vector<int32_t>& columns) {
        int64_t sum = 0;
        for (int row = 0; row < n; ++row) sum += gains[row * n + columns[row]];
        return sum;
      };
      std::vector<int32_t> columns(n);
      std::iota(columns.begin(), columns.end(), 0);
      int64_t best = 0;
      do {
        best = std::max(best, gain_of(columns));
      } while (std::ranges::next_permutation(columns).found);
      auto found = best_matching(gains, n);
      EXPECT_EQ(gain_of(found), best);
      std::ranges::sort(found);
      std::iota(columns.begin(), columns.end(), 0);
      EXPECT_EQ(found, columns);  // each column once
    }
  }
}

TEST(BestMatching, UndoesAPermutationOfManyCodes) {
  const int64_t n = 300;
  const Permutation permutation(n, 8, Purpose::kTest);
  std::vector<int64_t> gains(n * n);
  Rng rng(4, Purpose::kTest);
  for (auto& gain : gains) gain = static_cast<int64_t>(rng.below(5));
  for (int64_t i = 0; i < n; ++i) gains[i * n + static_cast<int64_t>(permutation(i))] = 100;
  const auto found = best_matching(gains, n);
  for (int64_t i = 0; i < n; ++i) EXPECT_EQ(found[i], static_cast<int32_t>(permutation(i)));
}

}  // namespace
}  // namespace tutti::ids
