#include <vector>

#include <ATen/ops/tensor.h>

#include "trainer/models/linear.h"
#include "trainer/models/t5_layers.h"

namespace tutti::trainer {

at::Tensor T5Model::encode(const at::Tensor& tokens, const at::Tensor& lengths) const {
  const T5Weights& m = *weights_;
  const int64_t padded_length = tokens.size(1);
  const auto* length = lengths.const_data_ptr<int64_t>();
  std::vector<int64_t> rows, title, position;  // of the tokens that are no padding
  for (int64_t b = 0; b < tokens.size(0); ++b) {
    for (int64_t t = 0; t < length[b]; ++t) {
      rows.push_back(tokens.const_data_ptr<int64_t>()[b * padded_length + t]);
      title.push_back(b);
      position.push_back(t);
    }
  }
  AttentionLists lists = title_lists(title, lengths);
  lists.position = at::tensor(position, at::kLong);
  const at::Tensor bias =
      position_bias(m.config, m.encoder_bias, lists.keys.size(1), /*bidirectional=*/true);
  at::Tensor x = gather_rows(m.shared, at::tensor(rows, at::kLong));  // [R, d_model]
  for (const EncoderBlock& block : m.encoder) {
    x = self_attention(m.config, block.self, x, bias, lists);
    x = feed_forward(m.config, block.feed_forward, x);
  }
  return rms_norm(x, m.encoder_norm, m.config.layer_norm_epsilon, m.cross_kv.compute.scalar_type());
}

}  // namespace tutti::trainer
