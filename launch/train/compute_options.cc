#include "launch/train/compute_options.h"

#include "launch/option_checks.h"

namespace tutti::launch {

void declare(Options& options, ComputeArgs& a) {
  options.add("threads", &a.threads, "threads a rank");
}

void check(const ComputeArgs& a) {
  require_at_least("--threads", a.threads, 1);
}

}  // namespace tutti::launch
