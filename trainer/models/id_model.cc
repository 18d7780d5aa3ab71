#include "trainer/models/id_model.h"

#include <ATen/ops/linear.h>

namespace tutti::trainer {

at::Tensor IdModel::logits(const at::Tensor& hidden, int64_t first_token,
                           int64_t num_tokens) const {
  return at::linear(hidden, id_head().narrow(0, first_token, num_tokens));
}

}  // namespace tutti::trainer
