#include "dist/stop_flag.h"

#include <csignal>

#include <gtest/gtest.h>

#include "tests/mpi/world.h"

namespace tutti {
namespace {

TEST(StopFlag, ASignalToOneRankStopsAllAtTheSameStep) {
  constexpr int kSignalStep = 3;
  const StopFlag stop;
  int step = 0;
  while (step < 10) {
    ++step;
    if (step == kSignalStep && test::world().rank() == test::world().size() - 1) {
      std::raise(SIGUSR2);
    }
    if (stop.agreed(test::world())) break;
  }
  EXPECT_EQ(step, kSignalStep);
}

}  // namespace
}  // namespace tutti
