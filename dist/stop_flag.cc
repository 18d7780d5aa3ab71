#include "dist/stop_flag.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

#include "dist/runtime/errors.h"

namespace tutti {
namespace {

constexpr std::array kSignals = {SIGUSR1, SIGUSR2, SIGTERM};

// What a signal handler may touch: lock-free atomics only.
std::atomic<int> first_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free);

std::atomic<bool> in_use = false;
std::array<struct sigaction, kSignals.size()> former_actions;

void note_signal(int signal) {
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
}

}  // namespace

StopFlag::StopFlag() {
  TUTTI_CHECK(!in_use.exchange(true), "one stop flag at a time");
  first_signal = 0;
  struct sigaction action {};
  action.sa_handler = &note_signal;
  action.sa_flags = SA_RESTART;  // a read or write that was under way goes on
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    TUTTI_CHECK(sigaction(kSignals[i], &action, &former_actions[i]) == 0);
  }
}

StopFlag::~StopFlag() {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &former_actions[i], nullptr);
  }
  in_use = false;
}

int StopFlag::signal_here() const {
  return first_signal;
}

bool StopFlag::agreed(Communicator& comm) const {
  return comm.max(signal_here()) != 0;
}

}  // namespace tutti
