#include "dist/communicator.h"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace tutti {
namespace {

TEST(SingleCommunicator, LeavesDataAsItIs) {
  const auto comm = make_single_communicator();
  EXPECT_EQ(comm->rank(), 0);
  EXPECT_EQ(comm->size(), 1);
  EXPECT_TRUE(comm->is_root());
  EXPECT_EQ(comm->sum(int64_t{5}), 5);
  EXPECT_EQ(comm->sum(2.5), 2.5);
  EXPECT_EQ(comm->max(-3), -3);
  std::array<float, 2> floats = {1, 2};
  comm->all_reduce_sum(floats);
  EXPECT_EQ(floats, (std::array<float, 2>{1, 2}));
  comm->broadcast(floats.data(), sizeof(floats), 0);
  comm->barrier();
  EXPECT_EQ(floats, (std::array<float, 2>{1, 2}));
}

TEST(SingleCommunicator, GathersItsOwnPart) {
  const auto comm = make_single_communicator();
  const std::vector<int> mine = {3, 1, 2};
  EXPECT_EQ(comm->all_gather(std::span<const int>(mine)), mine);
  EXPECT_TRUE(comm->all_gather(std::span<const int>()).empty());
  std::vector<int> rows = mine;
  const std::array<int64_t, 2> split = {0, 3};
  comm->all_gather_rows(rows.data(), sizeof(int), split);
  EXPECT_EQ(rows, mine);
}

TEST(SingleCommunicator, WrongArgumentsAreOurBug) {
  const auto comm = make_single_communicator();
  int value = 0;
  EXPECT_THROW(comm->broadcast(&value, sizeof(value), 1), std::logic_error);
  const std::array<int64_t, 3> two_parts = {0, 1, 2};
  EXPECT_THROW(comm->all_gather_rows(&value, 4, two_parts), std::logic_error);
}

TEST(SingleCommunicator, AbortEndsTheProcessWithTheCode) {
  EXPECT_EXIT(make_single_communicator()->abort(4), testing::ExitedWithCode(4), "");
}

TEST(DTypes, KnowTheirSize) {
  EXPECT_EQ(size_of(DType::kInt32), 4);
  EXPECT_EQ(size_of(DType::kInt64), 8);
  EXPECT_EQ(size_of(DType::kFloat32), 4);
  EXPECT_EQ(size_of(DType::kFloat64), 8);
}

TEST(OwnedRange, CutsIntoContiguousPartsOfWholeBlocksThatDifferByOneBlockAtMost) {
  for (int64_t n : {0, 1, 5, 63, 64, 65, 1000}) {
    for (int64_t block : {1, 7, 64}) {
      for (int size : {1, 2, 3, 8, 70}) {
        const std::vector<int64_t> split = owned_splits(n, block, size);
        ASSERT_EQ(std::ssize(split), size + 1);
        EXPECT_EQ(split.front(), 0);
        EXPECT_EQ(split.back(), n);
        int64_t fewest = std::numeric_limits<int64_t>::max(), most = 0;
        for (int r = 0; r < size; ++r) {
          const Range part = owned_range(n, block, r, size);
          EXPECT_EQ(part.first, split[static_cast<size_t>(r)]);
          EXPECT_EQ(part.last, split[static_cast<size_t>(r) + 1]);
          ASSERT_LE(part.first, part.last);
          EXPECT_TRUE(part.first % block == 0 || part.first == n);
          const int64_t blocks = (part.size() + block - 1) / block;
          fewest = std::min(fewest, blocks);
          most = std::max(most, blocks);
        }
        EXPECT_LE(most - fewest, 1) << n << " items, blocks of " << block << ", " << size;
      }
    }
  }
}

TEST(OwnedRange, WrongArgumentsAreOurBug) {
  EXPECT_THROW(owned_range(10, 0, 0, 1), std::logic_error);
  EXPECT_THROW(owned_range(10, 1, 2, 2), std::logic_error);
  EXPECT_THROW(owned_range(-1, 1, 0, 1), std::logic_error);
}

}  // namespace
}  // namespace tutti
