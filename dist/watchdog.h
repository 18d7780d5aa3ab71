#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dist/communicator.h"

namespace tutti {

// How long what may take, in seconds.
struct WatchLimits {
  double silence = 30;      // of a rank whose process is frozen, dead or cut off
  double start_up = 3600;   // until the first step: reading, making or loading a model
  double first_step = 900;  // memory and connections are made in it
  double step = 300;
  double checkpoint = 1800;  // a step that also begins, or waits for, a checkpoint
  double validation = 3600;
  double beat = 1;  // between two signs of life
};

// Finds the rank that a collective would wait for without end. Each rank tells rank 0 once a
// second, over TCP and from a thread of its own, in which step and collective it is; rank 0
// answers. When a rank is silent, its connection breaks, or a phase takes longer than its limit,
// rank 0 decides who is to blame and tells all; when rank 0 is silent, every rank knows. A
// collective cannot do this: those that wait in it all look alike.
//
// With one rank there is nobody to watch.
class Watchdog {
 public:
  enum class Phase { kStartUp, kFirstStep, kStep, kCheckpoint, kValidation };

  // `on_loss` is called on each rank, once, from the watchdog's thread, with one line that names
  // rank, host, step and collective; it should end the process. Collective. PeerLostError naming
  // the ranks that cannot reach rank 0.
  Watchdog(Communicator& comm, const WatchLimits& limits,
           std::function<void(const std::string&)> on_loss);
  // This rank leaves: nobody takes it for lost.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // This rank begins a phase, whose limit counts from here. Returns at once.
  void enter(Phase phase, int64_t step);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti
