#include "dist/stop_flag.h"

#include <csignal>
#include <stdexcept>

#include <gtest/gtest.h>

namespace tutti {
namespace {

TEST(StopFlag, IsDownAtTheStart) {
  const auto comm = make_single_communicator();
  const StopFlag stop;
  EXPECT_EQ(stop.signal_here(), 0);
  EXPECT_FALSE(stop.agreed(*comm));
}

TEST(StopFlag, GoesUpOnEachOfItsSignalsAndRemembersTheFirst) {
  const auto comm = make_single_communicator();
  for (int signal : {SIGUSR1, SIGUSR2, SIGTERM}) {
    const StopFlag stop;
    std::raise(signal);
    EXPECT_EQ(stop.signal_here(), signal);
    EXPECT_TRUE(stop.agreed(*comm));
    std::raise(SIGUSR1);
    EXPECT_EQ(stop.signal_here(), signal);
  }
}

TEST(StopFlag, PutsTheFormerHandlersBack) {
  ASSERT_NE(std::signal(SIGUSR1, SIG_IGN), SIG_ERR);
  { const StopFlag stop; }
  EXPECT_EQ(std::signal(SIGUSR1, SIG_DFL), SIG_IGN);
}

TEST(StopFlag, ASecondOneIsOurBug) {
  const StopFlag stop;
  EXPECT_THROW(StopFlag(), std::logic_error);
  std::raise(SIGTERM);  // the first still holds the signals
  EXPECT_EQ(stop.signal_here(), SIGTERM);
}

}  // namespace
}  // namespace tutti
