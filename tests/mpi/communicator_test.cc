#include "dist/communicator.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <mpi.h>

#include "dist/mpi_communicator.h"
#include "dist/mpi_engine.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "tests/mpi/world.h"

namespace tutti {
namespace {

using test::world;

// Each collective in one call, and cut into chunks that divide nothing evenly.
class Collectives : public testing::TestWithParam<int64_t> {
 protected:
  Collectives() : comm_(make_mpi_communicator(MpiOptions{.max_chunk_bytes = GetParam()})) {}
  std::unique_ptr<Communicator> comm_;
  const int rank_ = world().rank(), size_ = world().size();
};
INSTANTIATE_TEST_SUITE_P(ChunkBytes, Collectives, testing::Values(8, 40, 1000, 16001, 1 << 26));

template <typename T>
void expect_reduced(Communicator& comm, DType type) {
  const int64_t ranks = comm.size();
  for (int64_t n : {0, 1, 7, 1000}) {
    const int64_t sum_of_ranks = ranks * (ranks + 1) / 2;
    std::vector<T> sum, most, least;
    for (int64_t i = 0; i < n; ++i) sum.push_back(static_cast<T>(i * (comm.rank() + 1)));
    for (int64_t i = 0; i < n; ++i) most.push_back(static_cast<T>((i + comm.rank()) % ranks - i));
    least = most;
    comm.all_reduce(sum.data(), n, type, ReduceOp::kSum);
    comm.all_reduce(most.data(), n, type, ReduceOp::kMax);
    comm.all_reduce(least.data(), n, type, ReduceOp::kMin);
    for (int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i);
      ASSERT_EQ(sum[at], static_cast<T>(i * sum_of_ranks)) << i;
      ASSERT_EQ(most[at], static_cast<T>(ranks - 1 - i)) << i;
      ASSERT_EQ(least[at], static_cast<T>(-i)) << i;
    }
  }
}

TEST_P(Collectives, ReduceEveryTypeWithEveryOperation) {
  expect_reduced<int32_t>(*comm_, DType::kInt32);
  expect_reduced<int64_t>(*comm_, DType::kInt64);
  expect_reduced<float>(*comm_, DType::kFloat32);
  expect_reduced<double>(*comm_, DType::kFloat64);
}

TEST_P(Collectives, ReduceSingleValues) {
  EXPECT_EQ(comm_->sum(int64_t{1} << 40), size_ * (int64_t{1} << 40));
  EXPECT_EQ(comm_->max(rank_), size_ - 1);
  EXPECT_EQ(comm_->sum(0.5), size_ * 0.5);
}

// What rank `r` gives to the float tests: magnitudes far apart, so that every order of adding gives
// other bits.
template <typename T>
std::vector<T> part_of(int r, int64_t n) {
  std::vector<T> values;
  Rng rng(1, Purpose::kTest, static_cast<uint64_t>(r));
  for (int64_t i = 0; i < n; ++i) {
    values.push_back(static_cast<T>(std::ldexp(rng.normal(), static_cast<int>(rng.below(24)))));
  }
  return values;
}

template <typename T>
void expect_sum_in_rank_order(Communicator& comm) {
  for (int64_t n : {1, 3, 1000, 1025, 5000}) {
    std::vector<double> exact(static_cast<size_t>(n), 0);
    for (int r = 0; r < comm.size(); ++r) {
      const std::vector<T> part = part_of<T>(r, n);
      for (size_t i = 0; i < exact.size(); ++i) exact[i] += static_cast<double>(part[i]);
    }
    const std::vector<T> expected(exact.begin(), exact.end());
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::vector<T> sum = part_of<T>(comm.rank(), n);
      comm.all_reduce_sum(std::span<T>(sum));
      EXPECT_EQ(std::memcmp(sum.data(), expected.data(), sum.size() * sizeof(T)), 0) << n;
    }
  }
}

TEST_P(Collectives, FloatSumsAreTheSameBytesOnEveryRankAndInEveryRepeat) {
  expect_sum_in_rank_order<float>(*comm_);
  expect_sum_in_rank_order<double>(*comm_);
}

TEST_P(Collectives, FloatSumsCarryNonFiniteValuesToEveryRank) {
  std::vector<float> values(3000, 1);
  if (rank_ == size_ - 1) {
    values[5] = std::numeric_limits<float>::quiet_NaN();
    values[2999] = std::numeric_limits<float>::infinity();
  }
  comm_->all_reduce_sum(std::span<float>(values));
  EXPECT_TRUE(std::isnan(values[5]));
  EXPECT_TRUE(std::isinf(values[2999]));
  EXPECT_EQ(values[6], static_cast<float>(size_));
}

TEST_P(Collectives, BroadcastFromEveryRoot) {
  for (int root = 0; root < size_; ++root) {
    std::vector<char> bytes(3001, static_cast<char>(rank_ + 1));
    comm_->broadcast(bytes.data(), std::ssize(bytes), root);
    EXPECT_EQ(bytes, std::vector<char>(3001, static_cast<char>(root + 1)));
    comm_->broadcast(nullptr, 0, root);
  }
}

TEST_P(Collectives, GatherPartsOfDifferentSizesInRankOrder) {
  // Rank r gives 50 r values: rank 0 none.
  std::vector<int32_t> mine(static_cast<size_t>(50 * rank_), rank_);
  std::vector<int32_t> expected;
  for (int r = 0; r < size_; ++r) expected.insert(expected.end(), static_cast<size_t>(r) * 50, r);
  EXPECT_EQ(comm_->all_gather(std::span<const int32_t>(mine)), expected);
}

TEST_P(Collectives, GatherWhenOnlyOneOrNoRankHasAnything) {
  std::vector<double> mine;
  if (rank_ == size_ - 1) mine.assign(300, 2.5);
  EXPECT_EQ(comm_->all_gather(std::span<const double>(mine)), std::vector<double>(300, 2.5));
  EXPECT_TRUE(comm_->all_gather(std::span<const double>()).empty());
}

TEST_P(Collectives, GatherRowsIntoTheTableThatEveryRankHolds) {
  for (int64_t n : {0, 1, 2, 50, 301}) {
    constexpr int64_t kWidth = 3;
    const std::vector<int64_t> split = owned_splits(n, 2, size_);
    std::vector<int64_t> expected(static_cast<size_t>(n * kWidth));
    std::iota(expected.begin(), expected.end(), 0);
    std::vector<int64_t> table(expected.size(), -1);
    const Range owned = owned_range(n, 2, rank_, size_);
    std::copy(expected.begin() + owned.first * kWidth, expected.begin() + owned.last * kWidth,
              table.begin() + owned.first * kWidth);
    comm_->all_gather_rows(table.data(), kWidth * 8, split);
    EXPECT_EQ(table, expected) << n;
  }
}

TEST_P(Collectives, GatherRowsOfAWindowLeavesTheRestAlone) {
  std::vector<int64_t> split;  // row 1 + r belongs to rank r
  for (int r = 0; r <= size_; ++r) split.push_back(1 + r);
  std::vector<int> table(static_cast<size_t>(size_) + 2, -1), expected = table;
  std::iota(expected.begin() + 1, expected.end() - 1, 0);
  table[static_cast<size_t>(rank_) + 1] = rank_;
  comm_->all_gather_rows(table.data(), sizeof(int), split);
  EXPECT_EQ(table, expected);
}

TEST_P(Collectives, BulkSumsAreTheBytesOfBlockingOnes) {
  for (const int64_t n : {0, 1, 5, 3000, 20001}) {
    const std::vector<int64_t> split = owned_splits(n, 16, size_);
    std::vector<float> expected = part_of<float>(rank_, n), whole = expected, parts = expected;
    comm_->all_reduce_sum(std::span<float>(expected));
    comm_->start_all_reduce_sum(whole.data(), n);
    comm_->start_reduce_scatter_sum(parts.data(), split);
    comm_->start_all_gather(parts.data(), split);
    comm_->wait_for_bulk();
    EXPECT_EQ(std::memcmp(whole.data(), expected.data(), expected.size() * sizeof(float)), 0) << n;
    EXPECT_EQ(std::memcmp(parts.data(), expected.data(), expected.size() * sizeof(float)), 0) << n;
  }
}

TEST_P(Collectives, BulkSumsTravelWhileTheCallerComputesAndCallsOthers) {
  std::vector<std::vector<float>> buckets(5), expected(5);
  for (size_t b = 0; b < buckets.size(); ++b) {
    const auto n = static_cast<int64_t>(1000 * b + 3);
    buckets[b] = expected[b] = part_of<float>(rank_, n);
    comm_->start_all_reduce_sum(buckets[b].data(), n);
    EXPECT_EQ(comm_->sum(int64_t{1}), size_);
  }
  comm_->wait_for_bulk();
  for (auto& sum : expected) comm_->all_reduce_sum(std::span<float>(sum));
  EXPECT_EQ(buckets, expected);
}

TEST_P(Collectives, BarrierLetsAllPass) {
  comm_->barrier();
}

TEST(MpiCommunicator, ResultsDoNotDependOnTheChunkSize) {
  std::vector<std::vector<float>> sums;
  for (int64_t chunk_bytes : {8, 4000, 16384, 1 << 26}) {
    const auto comm = make_mpi_communicator(MpiOptions{.max_chunk_bytes = chunk_bytes});
    sums.push_back(part_of<float>(comm->rank(), 5000));
    comm->all_reduce_sum(std::span<float>(sums.back()));
  }
  for (const auto& sum : sums) {
    EXPECT_EQ(std::memcmp(sum.data(), sums[0].data(), sum.size() * sizeof(float)), 0);
  }
}

TEST(MpiCommunicator, TellsHowMuchOfTheBulkWasHiddenBehindComputation) {
  if (world().size() == 1) return;  // nothing travels
  std::vector<float> values(1 << 20, 1);
  world().take_bulk_times();
  world().start_all_reduce_sum(values.data(), std::ssize(values));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the computation
  world().wait_for_bulk();
  const BulkTimes times = world().take_bulk_times();
  EXPECT_GT(times.busy_ms, 0);
  EXPECT_GE(times.exposed_ms, 0);
  EXPECT_LT(times.exposed_ms, 150) << "the sum waited for its caller";
  EXPECT_EQ(world().take_bulk_times().busy_ms, 0);
}

TEST(MpiCommunicator, RanksOnOneMachineKnowTheirPlaceInIt) {
  EXPECT_EQ(world().local_rank(), world().rank());
}

TEST(MpiCommunicator, WrongArgumentsAreOurBug) {
  int value = 0;
  EXPECT_THROW(world().broadcast(&value, 4, world().size()), std::logic_error);
  EXPECT_THROW(world().broadcast(&value, -1, 0), std::logic_error);
  const std::vector<int64_t> too_many(static_cast<size_t>(world().size()) + 1, 0);
  EXPECT_THROW(world().all_gather_bytes(&value, &value, too_many), std::logic_error);
  EXPECT_THROW(make_mpi_communicator(MpiOptions{.max_chunk_bytes = 4}), std::logic_error);
}

TEST(MpiCommunicator, ACallFromAnotherThreadIsOurBug) {
  std::thread([] { EXPECT_THROW(world().barrier(), std::logic_error); }).join();
}

TEST(CheckMpi, BlamesUsForBadArgumentsAndAPeerForTheRest) {
  EXPECT_NO_THROW(check_mpi(MPI_SUCCESS, "MPI_Bcast"));
  EXPECT_THROW(check_mpi(MPI_ERR_COUNT, "MPI_Bcast"), std::logic_error);
  try {
    check_mpi(MPI_ERR_OTHER, "MPI_Bcast");
    ADD_FAILURE();
  } catch (const PeerLostError& e) {
    EXPECT_EQ(std::string_view(e.what()).substr(0, 11), "MPI_Bcast: ");
  }
}

// Run by name only: that main.cc reports a failure of any rank (CMakeLists.txt expects it).
TEST(TestMain, DISABLED_FailsOnTheLastRank) {
  EXPECT_NE(world().rank(), world().size() - 1) << "meant to fail";
}

}  // namespace
}  // namespace tutti
