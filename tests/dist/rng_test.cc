#include "dist/runtime/rng.h"

#include <cmath>
#include <set>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace tutti {
namespace {

using Block = std::array<uint32_t, 4>;
using Key = std::array<uint32_t, 2>;

// kat_vectors of Random123 1.14.0, philox4x32 10.
TEST(Philox, InARunGivesWhatSingleCallsGive) {
  const std::array<uint32_t, 2> key = {7, 0x80000001U};
  const std::array<uint32_t, 4> counter = {0xFFFFFFFEU, 1, 2, 3};
  for (const size_t size : {0, 1, 5, 64, 131}) {
    std::vector<uint32_t> run(size);
    philox4x32_run(counter, key, run);
    for (size_t i = 0; i < size; ++i) {
      std::array<uint32_t, 4> one = counter;
      one[0] += static_cast<uint32_t>(i / 4);
      EXPECT_EQ(run[i], philox4x32(one, key)[i % 4]) << i;
    }
  }
}

TEST(Philox, GivesThePublishedAnswers) {
  constexpr uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, ReadsPhiloxBlocksKeyedBySeedAndCountedByPurposeAndIndex) {
  const uint64_t seed = 0x0123456789ABCDEF, index = 0xFEDCBA9876543210;
  const Key key = {0x89ABCDEF, 0x01234567};
  const auto purpose = static_cast<uint32_t>(Purpose::kTest);
  Rng rng(seed, Purpose::kTest, index);
  for (uint32_t block = 0; block < 3; ++block) {
    for (uint32_t word : philox4x32({block, purpose, 0x76543210, 0xFEDCBA98}, key)) {
      EXPECT_EQ(rng.next_u32(), word);
    }
  }
}

TEST(Rng, GivesTheSameStreamForTheSameArgumentsAndAnotherForAnyOther) {
  auto first = [](uint64_t seed, Purpose purpose, uint64_t index) {
    const uint64_t value = Rng(seed, purpose, index).next_u64();
    EXPECT_EQ(value, random_u64(seed, purpose, index));
    return value;
  };
  const std::set<uint64_t> distinct = {first(1, Purpose::kTest, 0),
                                       first(2, Purpose::kTest, 0),
                                       first(1, Purpose::kSplit, 0),
                                       first(1, Purpose::kTest, 1),
                                       first(uint64_t{1} << 32, Purpose::kTest, 0),
                                       first(1, Purpose::kTest, uint64_t{1} << 32)};
  EXPECT_EQ(distinct.size(), 6U);
  EXPECT_EQ(first(1, Purpose::kTest, 0), first(1, Purpose::kTest, 0));
}

TEST(Rng, UniformIsInTheUnitIntervalWithTheRightMoments) {
  Rng rng(7, Purpose::kTest);
  constexpr int kDraws = 200000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = rng.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / kDraws, 1.0 / 2, 0.003);  // about 5 standard errors
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.003);
}

TEST(Rng, BelowGivesEachValueEquallyOften) {
  Rng rng(8, Purpose::kTest);
  constexpr uint64_t kValues = 7;
  constexpr int kDraws = 70000;
  std::vector<int> counts(kValues);
  for (int i = 0; i < kDraws; ++i) ++counts.at(rng.below(kValues));
  for (int count : counts) EXPECT_NEAR(count, kDraws / static_cast<double>(kValues), 5 * 93);
  EXPECT_EQ(rng.below(1), 0U);
}

TEST(Rng, BelowIsUnbiasedForBoundsNearTheWordSize) {
  // With a plain modulo or multiplication the lowest third would be hit half of the time.
  const uint64_t n = (uint64_t{3} << 62);
  Rng rng(9, Purpose::kTest);
  constexpr int kDraws = 30000;
  std::array<int, 3> counts{};
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t value = rng.below(n);
    ASSERT_LT(value, n);
    ++counts.at(value >> 62);
  }
  for (int count : counts) EXPECT_NEAR(count, kDraws / 3.0, 5 * 82);
}

TEST(Rng, BelowZeroIsOurBug) {
  Rng rng(1, Purpose::kTest);
  EXPECT_THROW(rng.below(0), std::logic_error);
}

TEST(Rng, NormalHasTheRightMomentsAndTails) {
  Rng rng(10, Purpose::kTest);
  constexpr int kDraws = 200000;
  double sum = 0, squares = 0, fourth = 0;
  int beyond_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    beyond_two += std::abs(x) > 2;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.011);
  EXPECT_NEAR(squares / kDraws, 1, 0.016);
  EXPECT_NEAR(fourth / kDraws, 3, 0.11);
  EXPECT_NEAR(beyond_two / static_cast<double>(kDraws), 0.0455, 0.0024);
}

TEST(Permutation, VisitsEveryValueOnce) {
  for (uint64_t n : {1, 2, 3, 4, 5, 7, 15, 16, 17, 63, 64, 65, 100, 1000, 4097, 20000}) {
    const Permutation permutation(n, 42, Purpose::kTest, 3);
    EXPECT_EQ(permutation.size(), n);
    std::vector<bool> seen(n);
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t value = permutation(i);
      ASSERT_LT(value, n);
      ASSERT_FALSE(seen[value]) << "n " << n << " value " << value;
      seen[value] = true;
    }
  }
}

TEST(Permutation, SendsEveryPositionToEveryValueEquallyOften) {
  constexpr uint64_t kSize = 6;
  constexpr int kKeys = 12000;
  std::array<std::array<int, kSize>, kSize> counts{};
  for (uint64_t key = 0; key < kKeys; ++key) {
    const Permutation permutation(kSize, 5, Purpose::kTest, key);
    for (uint64_t i = 0; i < kSize; ++i) ++counts.at(i).at(permutation(i));
  }
  for (const auto& row : counts) {
    for (int count : row) EXPECT_NEAR(count, kKeys / 6.0, 5 * 41);
  }
}

TEST(Permutation, ReachesAllOrdersOfFourEquallyOften) {
  constexpr int kKeys = 24000;
  std::array<int, 256> counts{};
  for (uint64_t key = 0; key < kKeys; ++key) {
    const Permutation p(4, 6, Purpose::kTest, key);
    ++counts.at(p(0) * 64 + p(1) * 16 + p(2) * 4 + p(3));
  }
  int orders = 0;
  for (int count : counts) {
    if (count == 0) continue;
    ++orders;
    EXPECT_NEAR(count, kKeys / 24.0, 5 * 32);
  }
  EXPECT_EQ(orders, 24);
}

TEST(Permutation, WorksForSizesThatNoListWouldHold) {
  for (uint64_t n : {(uint64_t{1} << 32) + 1, (uint64_t{1} << 62) + 1, ~uint64_t{0}}) {
    const Permutation permutation(n, 1, Purpose::kTest);
    std::set<uint64_t> values;
    for (uint64_t i = 0; i < 500; ++i) {
      values.insert(permutation(i));
      values.insert(permutation(n - 1 - i));
    }
    EXPECT_EQ(values.size(), 1000U);
    EXPECT_LT(*values.rbegin(), n);
    EXPECT_LT(*values.begin(), n / 50);
    EXPECT_GT(*values.rbegin(), n / 50 * 49);
  }
}

TEST(Permutation, DiffersBySeedPurposeAndIndex) {
  auto order = [](uint64_t seed, Purpose purpose, uint64_t index) {
    const Permutation permutation(100, seed, purpose, index);
    std::vector<uint64_t> values;
    for (uint64_t i = 0; i < 100; ++i) values.push_back(permutation(i));
    return values;
  };
  const auto base = order(1, Purpose::kTest, 1);
  EXPECT_EQ(base, order(1, Purpose::kTest, 1));
  EXPECT_NE(base, order(2, Purpose::kTest, 1));
  EXPECT_NE(base, order(1, Purpose::kSampler, 1));
  EXPECT_NE(base, order(1, Purpose::kTest, 2));
}

TEST(Permutation, AnIndexOutsideIsOurBug) {
  const Permutation permutation(10, 1, Purpose::kTest);
  EXPECT_THROW(permutation(10), std::logic_error);
}

}  // namespace
}  // namespace tutti
