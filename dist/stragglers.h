#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dist/communicator.h"

namespace tutti {

struct StragglerRule {
  int window = 25;          // steps that are judged together
  double times = 2;         // the median rank's time in a phase
  double least_part = 0.1;  // of a step, that the rank loses at least
};

// A rank that needs much longer than the others for the same work.
struct Straggler {
  int rank = 0;
  std::string host, phase;
  double ms = 0, median_ms = 0;  // a step, of this rank and of the median rank
};

// Compares what the ranks need for the phases of a step that each does by itself. (In phases that
// wait for others, everybody is as slow as the slowest.)
class StragglerWatch {
 public:
  // Collective. `phases`: their names, equal on all ranks.
  StragglerWatch(Communicator& comm, std::vector<std::string> phases, StragglerRule rule = {});

  // One step: this rank's milliseconds in each phase. Once a window the ranks compare (collective,
  // at the same step everywhere); the two longest times of each phase and rank do not count, so
  // that one hiccup is no straggler. All ranks get the same list.
  std::vector<Straggler> note(std::span<const double> phase_ms);

 private:
  Communicator& comm_;
  std::vector<std::string> phases_;
  StragglerRule rule_;
  std::vector<std::string> hosts_;          // by rank
  std::vector<std::vector<double>> times_;  // [phase][step of the window]
};

}  // namespace tutti
