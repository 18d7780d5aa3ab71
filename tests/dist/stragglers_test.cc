#include "dist/stragglers.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/process.h"
#include "tests/support/thread_communicator.h"

namespace tutti {
namespace {

// What three ranks find in each of `steps` steps; ms(rank, step): data and model.
std::vector<std::vector<Straggler>> found_by_rank_0(
    int steps, const std::function<std::array<double, 2>(int, int)>& ms) {
  std::vector<std::vector<Straggler>> found(static_cast<size_t>(steps));
  run_ranks(3, [&](Communicator& comm) {
    StragglerWatch watch(comm, {"data", "model"}, {.window = 10});
    for (int step = 0; step < steps; ++step) {
      const auto stragglers = watch.note(ms(comm.rank(), step));
      if (comm.is_root()) found[static_cast<size_t>(step)] = stragglers;
    }
  });
  return found;
}

TEST(Stragglers, ARankThatNeedsThreeTimesAsLongIsNamedWithItsPhaseAtTheEndOfTheWindow) {
  const auto found = found_by_rank_0(20, [](int rank, int) {
    return std::array<double, 2>{1, rank == 2 ? 30.0 : 10.0};
  });
  for (size_t step = 0; step < found.size(); ++step) {
    ASSERT_EQ(found[step].size(), step % 10 == 9 ? 1U : 0U) << step;
  }
  const Straggler& straggler = found[9][0];
  EXPECT_EQ(straggler.rank, 2);
  EXPECT_EQ(straggler.host, host_name());
  EXPECT_EQ(straggler.phase, "model");
  EXPECT_DOUBLE_EQ(straggler.ms, 30);
  EXPECT_DOUBLE_EQ(straggler.median_ms, 10);
}

TEST(Stragglers, OneHiccupIsNone) {
  const auto found = found_by_rank_0(10, [](int rank, int step) {
    return std::array<double, 2>{1, rank == 1 && step == 4 ? 1000.0 : 10.0};
  });
  EXPECT_TRUE(found[9].empty());
}

TEST(Stragglers, APhaseThatTakesNextToNothingOfAStepIsNone) {
  const auto found = found_by_rank_0(10, [](int rank, int) {
    return std::array<double, 2>{rank == 1 ? 0.5 : 0.1, 10};
  });
  EXPECT_TRUE(found[9].empty());
}

TEST(Stragglers, TheFasterOfTwoRanksIsTheMeasure) {
  run_ranks(2, [](Communicator& comm) {
    StragglerWatch watch(comm, {"model"}, {.window = 1});
    const double ms = comm.is_root() ? 30 : 10;
    const auto found = watch.note(std::span(&ms, 1));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].rank, 0);
  });
}

}  // namespace
}  // namespace tutti
