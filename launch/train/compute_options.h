#pragma once

#include "launch/options.h"

namespace tutti::launch {

// How a rank computes: none of it changes which samples a step holds.
struct ComputeArgs {
  int threads = 1;
};

void declare(Options& options, ComputeArgs& a);
void check(const ComputeArgs& a);  // UsageError naming the option

}  // namespace tutti::launch
