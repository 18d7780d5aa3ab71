#include <memory>
#include <vector>

#include <ATen/ops/tensor.h>

#include "trainer/models/checkpointed.h"
#include "trainer/models/linear.h"
#include "trainer/models/t5_layers.h"

namespace tutti::trainer {

at::Tensor T5Model::encode(const at::Tensor& tokens, const at::Tensor& lengths,
                           const StepDropout& step) const {
  const T5Weights& m = *weights_;
  const TitleRows titles = title_rows({.tokens = tokens, .lengths = lengths});
  const auto drawn = std::make_shared<DrawnDropout>(DrawnDropout{step.dropout, {}});
  if (step.dropout.is_on()) {
    for (size_t i = 0; i < titles.tokens.size(); ++i) {
      drawn->keys.push_back(row_key(step.title_keys[titles.title[i]], titles.position[i]));
    }
  }
  const LayerDropout dropout(drawn->dropout, drawn->keys, /*stack=*/0);
  if (m.bert) {
    const TitleInputs given = {.tokens = tokens, .lengths = lengths};
    return dropout.apply(LayerDropout::Place::kOutput,
                         m.memo ? m.memo->states(given) : m.read_with_bert(given));
  }
  AttentionLists lists = title_lists(titles.title, lengths);
  lists.position = at::tensor(titles.position, at::kLong);
  lists = on_device(lists, m.device());
  const at::Tensor bias =
      position_bias(m.config, m.encoder_bias, lists.keys.size(1), /*bidirectional=*/true);
  at::Tensor x = gather_rows(m.shared, at::tensor(titles.tokens, at::kLong));  // [R, d_model]
  x = dropout.apply(LayerDropout::Place::kInput, x);
  for (size_t layer = 0; layer < m.encoder.size(); ++layer) {
    const EncoderBlock& block = m.encoder[layer];
    const auto layers = [&m, &block, lists, drawn,
                         drop = dropout.in_layer(layer)](const std::vector<at::Tensor>& in) {
      const at::Tensor y = self_attention(m.config, block.self, in[0], in[1], lists, drop);
      return feed_forward(m.config, block.feed_forward, y, drop);
    };
    x = m.compute.checkpoint_activations ? checkpointed(layers, {x, bias}) : layers({x, bias});
  }
  return dropout.apply(
      LayerDropout::Place::kOutput,
      rms_norm(x, m.encoder_norm, m.config.layer_norm_epsilon, m.cross_kv.compute.scalar_type()));
}

}  // namespace tutti::trainer
