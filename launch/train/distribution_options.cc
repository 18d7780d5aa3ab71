#include "launch/train/distribution_options.h"

#include "launch/option_checks.h"

namespace tutti::launch {

void declare(Options& options, DistributionArgs& a) {
  options.add("bucket-kib", &a.bucket_kib, "gradients travel between ranks in pieces of this size");
}

void check(const DistributionArgs& a) {
  require_at_least("--bucket-kib", a.bucket_kib, 1);
}

}  // namespace tutti::launch
