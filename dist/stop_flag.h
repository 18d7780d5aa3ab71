#pragma once

#include "dist/communicator.h"

namespace tutti {

// A wish to stop at the next step, made by SIGUSR1, SIGUSR2 or SIGTERM (a scheduler's warning
// before it kills the job) to any rank. While it lives it holds the handlers of these signals, and
// puts the former ones back when it goes. One at a time in a process.
class StopFlag {
 public:
  StopFlag();
  ~StopFlag();
  StopFlag(const StopFlag&) = delete;
  StopFlag& operator=(const StopFlag&) = delete;

  // The first signal that this process got, 0 when none: for a caller that adds it to a reduction
  // of its own. Does not ask the other ranks.
  int signal_here() const;

  // Did any rank get a signal? Collective: all ranks learn the same, so all stop at the same step.
  bool agreed(Communicator& comm) const;
};

}  // namespace tutti
