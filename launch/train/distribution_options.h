#pragma once

#include <cstdint>

#include "launch/options.h"
#include "trainer/gradient_reducer.h"

namespace tutti::launch {

// How the ranks of a job work together.
struct DistributionArgs {
  int64_t bucket_kib = 16 << 10;
  bool zero = false;

  trainer::ReducerOptions reducer() const;
};

void declare(Options& options, DistributionArgs& a);
void check(const DistributionArgs& a);  // UsageError naming the option

}  // namespace tutti::launch
