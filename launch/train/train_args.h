#pragma once

#include <string>

#include "launch/options.h"
#include "launch/train/compute_options.h"
#include "launch/train/distribution_options.h"
#include "launch/train/loop_options.h"
#include "launch/train/model_options.h"
#include "launch/train/resuming.h"
#include "launch/train/start_options.h"
#include "launch/train/stop_wish.h"
#include "launch/train/watch_options.h"

namespace tutti::launch {

// All that `tutti train` is told.
struct TrainArgs {
  std::string dataset, ids, out, resume = kNever;
  bool overwrite = false;
  LoopArgs loop;
  ModelArgs model;
  ComputeArgs compute;
  DistributionArgs distribution;
  WatchArgs watch;
  StopArgs stop;
  StartArgs start;
};

Options declare(TrainArgs& a);
// UsageError naming the option; resolves names, and what one topic's options ask of another's.
void check(TrainArgs& a);

}  // namespace tutti::launch
