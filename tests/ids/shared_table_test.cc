#include "ids/shared_table.h"

#include <gmock/gmock.h>

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::Each;
using testing::ElementsAre;

TEST(SharedTable, ShowsEveryRankWhatEachWrote) {
  for (int num_ranks : {1, 2, 3}) {
    run_ranks(num_ranks, [&](Communicator& comm) {
      std::vector<int64_t> split(comm.size() + 1, 4);
      split[0] = 0;
      split[1] = 3;  // ranks beyond the second own nothing
      if (comm.size() == 1) split[1] = 4;
      SharedTable table(2, split, comm);
      EXPECT_THAT(table.values(), Each(0));
      comm.barrier();
      std::ranges::fill(table.own_values(), static_cast<float>(comm.rank() + 1));
      table.share_own_rows(comm);
      const float last = comm.size() == 1 ? 1 : 2;
      EXPECT_THAT(table.values(), ElementsAre(1, 1, 1, 1, 1, 1, last, last));
      EXPECT_EQ(table.num_rows(), 4);
      EXPECT_EQ(table.bytes_of_another_rank(), comm.rank() == 0 ? 0 : 32);  // one machine
      comm.barrier();
      if (comm.is_root()) std::ranges::fill(table.values(), 9.0F);
      table.share_from_root(comm);
      EXPECT_THAT(table.values(), Each(9));
      comm.barrier();
      // Moves keep the memory, which goes once.
      SharedTable moved = std::move(table);
      EXPECT_THAT(moved.values(), Each(9));
      moved = SharedTable();
      EXPECT_TRUE(moved.values().empty());
    });
  }
}

TEST(SharedTable, SharesWorkByRowsEvenlyWhoeverOwnsThem) {
  run_ranks(3, [](Communicator& comm) {
    const int64_t num_rows = 10 * 4 + 2;
    const SharedTable table(2, {0, num_rows, num_rows, num_rows}, comm);  // all of them rank 0's
    const auto share = table.even_share(4);
    const std::vector<int64_t> borders{0, 16, 32, num_rows};
    EXPECT_EQ(share.first, borders[comm.rank()]);
    EXPECT_EQ(share.last, borders[comm.rank() + 1]);
  });
  run_ranks(1, [](Communicator& comm) {
    EXPECT_EQ(SharedTable(2, {0, 7}, comm).even_share(4).size(), 7);
  });
}

TEST(SharedTable, IsZerosAtFirstAndSharedAtSizesAroundALargePage) {
  constexpr int64_t kPage = (int64_t{2} << 20) / sizeof(float);
  for (const int64_t rows : {kPage - 1, kPage, kPage + 1, 3 * kPage + 5}) {
    run_ranks(2, [rows](Communicator& comm) {
      SharedTable table(1, {0, rows / 2, rows}, comm);
      EXPECT_TRUE(std::ranges::all_of(table.values(), [](float value) { return value == 0; }));
      comm.barrier();
      std::ranges::fill(table.own_values(), static_cast<float>(comm.rank() + 1));
      table.share_own_rows(comm);
      EXPECT_EQ(std::ranges::count(table.values(), 1.0F), rows / 2);
      EXPECT_EQ(std::ranges::count(table.values(), 2.0F), rows - rows / 2);
    });
  }
}

TEST(SharedTable, MayBeEmpty) {
  run_ranks(2, [](Communicator& comm) {
    SharedTable table(3, {0, 0, 0}, comm);
    EXPECT_EQ(table.num_rows(), 0);
    table.share_own_rows(comm);
    table.share_from_root(comm);
  });
}

}  // namespace
}  // namespace tutti::ids
