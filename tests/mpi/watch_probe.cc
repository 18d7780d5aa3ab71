// A job of ranks that sum a number over and over, watched. After a second the last rank, or the one
// given, meets a fault. watch_probe FAULT [RANK]
//   none    everybody stops after two seconds
//   freeze  SIGSTOP to itself
//   kill    SIGKILL
//   hang    computes for ever: alive, but in no collective
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "dist/communicator.h"
#include "dist/runtime/log.h"
#include "dist/watchdog.h"

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  using Clock = std::chrono::steady_clock;
  const std::string fault = argc > 1 ? argv[1] : "none";
  const auto comm = tutti::make_communicator_from_environment();
  tutti::log::init(comm->rank(), comm->size());
  const int victim = argc > 2 ? std::atoi(argv[2]) : comm->size() - 1;
  const tutti::WatchLimits limits{.silence = 3,
                                  .start_up = 20,
                                  .first_step = 20,
                                  .step = 3,
                                  .checkpoint = 20,
                                  .validation = 20,
                                  .beat = 0.2};
  tutti::Watchdog watchdog(*comm, limits, [&comm](const std::string& loss) {
    tutti::log::error(loss);
    comm->abort(4);
  });
  const auto start = Clock::now();
  for (int64_t step = 1;; ++step) {
    watchdog.enter(step == 1 ? tutti::Watchdog::Phase::kFirstStep : tutti::Watchdog::Phase::kStep,
                   step);
    const auto passed = Clock::now() - start;
    if (comm->max(passed > 2s ? 1 : 0) != 0 && fault == "none") return 0;
    if (comm->rank() != victim || passed < 1s) continue;
    if (fault == "freeze") std::raise(SIGSTOP);
    if (fault == "kill") std::raise(SIGKILL);
    if (fault == "hang") std::this_thread::sleep_for(60s);
  }
}
