#include "launch/train/distribution_options.h"

#include "launch/option_checks.h"

namespace tutti::launch {

void declare(Options& options, DistributionArgs& a) {
  options.add("bucket-kib", &a.bucket_kib, "gradients travel between ranks in pieces of this size")
      .add("zero", &a.zero,
           "each rank keeps optimizer state for its share of the parameters only (ZeRO stage 1)");
}

void check(const DistributionArgs& a) {
  require_at_least("--bucket-kib", a.bucket_kib, 1);
}

trainer::ReducerOptions DistributionArgs::reducer() const {
  return {.bucket_elements = bucket_kib * 1024 / static_cast<int64_t>(sizeof(float)), .zero = zero};
}

}  // namespace tutti::launch
