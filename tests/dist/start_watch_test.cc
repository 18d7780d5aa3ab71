#include "dist/start_watch.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "dist/runtime/process.h"
#include "tests/support/temp_folder.h"

namespace tutti {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class StartWatchTest : public testing::Test {
 protected:
  StartWatchOptions options(int local_rank, int local_size) {
    return {.folder = folder_ / "job",
            .rank = 10 + local_rank,
            .local_rank = local_rank,
            .local_size = local_size,
            .beat = 20ms,
            .silence = 300ms,
            .limit = 900ms,
            .on_loss = [this](const std::string& loss) { loss_.set_value(loss); }};
  }
  // What the watch says in time; empty: nothing.
  std::string loss() {
    auto said = loss_.get_future();
    return said.wait_for(5s) == std::future_status::ready ? said.get() : "";
  }

  TempFolder folder_;
  std::promise<std::string> loss_;
};

TEST_F(StartWatchTest, NamesARankOfTheNodeThatIsFrozen) {
  const pid_t frozen = ::fork();
  if (frozen == 0) {
    StartWatchOptions own = options(1, 2);
    own.limit = 60s;
    const StartWatch watch(own);
    std::this_thread::sleep_for(100ms);
    std::raise(SIGSTOP);
    ::_exit(0);
  }
  {
    const StartWatch watch(options(0, 2));
    EXPECT_THAT(loss(), testing::AllOf(HasSubstr("rank 11 on " + host_name()),
                                       HasSubstr(std::to_string(frozen)), HasSubstr("frozen")));
  }
  ::kill(frozen, SIGKILL);
  ::waitpid(frozen, nullptr, 0);
}

TEST_F(StartWatchTest, NamesARankOfTheNodeThatHasNotCome) {
  const StartWatch watch(options(0, 2));
  EXPECT_THAT(loss(), HasSubstr("of the 2 ranks on " + host_name() + " the local rank(s) 1 have"));
}

TEST_F(StartWatchTest, SaysThatItIsAnotherNodeWhenAllOfThisOneAreThere) {
  const StartWatch watch(options(0, 1));
  EXPECT_THAT(loss(), HasSubstr("a rank of another node is lost"));
}

TEST_F(StartWatchTest, LeavesNothingBehindWhenMpiHasStarted) {
  { const StartWatch watch(options(0, 2)); }
  EXPECT_TRUE(folder_.is_empty());
}

}  // namespace
}  // namespace tutti
