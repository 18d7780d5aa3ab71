#include "launch/train/compute_options.h"

#include "launch/option_checks.h"

namespace tutti::launch {

void declare(Options& options, ComputeArgs& a) {
  options.add("threads", &a.threads, "threads a rank")
      .add("device", &a.device,
           "cpu | cuda | auto: cuda gives each rank the device of its number on its machine; auto "
           "takes CUDA when every rank has a device, and says so")
      .add("precision", &a.precision,
           "fp32 | bf16: what linear layers compute in; weights, norms and loss stay fp32")
      .add("checkpoint-activations", &a.compute.checkpoint_activations,
           "compute blocks again in the backward pass instead of keeping what they made");
}

void check(ComputeArgs& a) {
  require_one_of("--device", a.device, {"cpu", "cuda", "auto"});
  require_one_of("--precision", a.precision, {"fp32", "bf16"});
  a.compute.precision =
      a.precision == "bf16" ? trainer::Precision::kBf16 : trainer::Precision::kFp32;
  require_at_least("--threads", a.threads, 1);
}

}  // namespace tutti::launch
