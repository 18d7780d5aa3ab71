#pragma once

#include "dist/watchdog.h"
#include "launch/options.h"

namespace tutti::launch {

// When a rank that keeps the others waiting counts as lost.
struct WatchArgs {
  bool watchdog = true;
  WatchLimits limits;
};

void declare(Options& options, WatchArgs& a);
void check(const WatchArgs& a);  // UsageError naming the option

}  // namespace tutti::launch
