#pragma once

#include <string>

#include "launch/options.h"
#include "trainer/models/id_model.h"

namespace tutti::launch {

// How a rank computes: none of it changes which samples a step holds.
struct ComputeArgs {
  int threads = 1;
  std::string device = "cpu", precision = "fp32";
  trainer::ComputeOptions compute;
};

void declare(Options& options, ComputeArgs& a);
void check(ComputeArgs& a);  // UsageError naming the option; resolves names into `compute`

}  // namespace tutti::launch
