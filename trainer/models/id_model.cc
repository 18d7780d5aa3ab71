#include "trainer/models/id_model.h"

#include <ATen/ops/linear.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

void IdModel::move_to(at::Device device) {
  if (device == this->device()) return;
  store().move_to(device);
  bind();
}

void IdModel::set_compute(const ComputeOptions& options) {
  const c10::NoGradGuard no_grad;
  TUTTI_CHECK(options.precision == Precision::kBf16 || !flat_rounded().defined(),
              "a model does not go back to fp32");
  compute() = options;
  if (options.precision == Precision::kFp32) return;
  store().round_weights();
  bind();
}

at::Tensor IdModel::logits(const at::Tensor& hidden, int64_t first_token,
                           int64_t num_tokens) const {
  return at::linear(hidden, id_head().narrow(0, first_token, num_tokens));
}

}  // namespace tutti::trainer
