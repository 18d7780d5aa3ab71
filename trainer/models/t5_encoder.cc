#include <memory>
#include <vector>

#include <ATen/ops/tensor.h>

#include "trainer/models/checkpointed.h"
#include "trainer/models/linear.h"
#include "trainer/models/t5_layers.h"

namespace tutti::trainer {

// T5's own encoder up to its last norm, whose output the caller drops of.
at::Tensor T5Weights::read(const TitleInputs& given,
                           const std::shared_ptr<const DrawnDropout>& drawn) const {
  const TitleRows titles = title_rows(given);
  if (bert) return bert->encode(titles, given.lengths, compute.checkpoint_activations);
  const LayerDropout dropout(drawn->dropout, drawn->keys, /*stack=*/0);
  AttentionLists lists = title_lists(titles.title, given.lengths);
  lists.position = at::tensor(titles.position, at::kLong);
  lists = on_device(lists, device());
  const at::Tensor bias =
      position_bias(config, encoder_bias, lists.keys.size(1), /*bidirectional=*/true);
  at::Tensor x = gather_rows(shared, at::tensor(titles.tokens, at::kLong));  // [R, d_model]
  x = dropout.apply(LayerDropout::Place::kInput, x);
  for (size_t layer = 0; layer < encoder.size(); ++layer) {
    const EncoderBlock& block = encoder[layer];
    const auto layers = [this, &block, lists, drawn,
                         drop = dropout.in_layer(layer)](const std::vector<at::Tensor>& in) {
      const at::Tensor y = self_attention(config, block.self, in[0], in[1], lists, drop);
      return feed_forward(config, block.feed_forward, y, drop);
    };
    x = compute.checkpoint_activations ? checkpointed(layers, {x, bias}) : layers({x, bias});
  }
  return rms_norm(x, encoder_norm, config.layer_norm_epsilon, cross_kv.compute.scalar_type());
}

at::Tensor T5Model::encode(const at::Tensor& tokens, const at::Tensor& lengths,
                           const StepDropout& step) const {
  const T5Weights& m = *weights_;
  const TitleInputs given = {.tokens = tokens, .lengths = lengths};
  const auto drawn = std::make_shared<DrawnDropout>(DrawnDropout{step.dropout, {}});
  if (step.dropout.is_on()) {
    const TitleRows titles = title_rows(given);
    for (size_t i = 0; i < titles.tokens.size(); ++i) {
      drawn->keys.push_back(row_key(step.title_keys[titles.title[i]], titles.position[i]));
    }
  }
  at::Tensor states = m.memo ? m.memo->states(given) : m.read(given, drawn);
  // What was kept of them is fp32; of bf16 that is the same values.
  if (!m.bert) states = states.to(m.cross_kv.compute.scalar_type());
  const LayerDropout dropout(drawn->dropout, drawn->keys, /*stack=*/0);
  return dropout.apply(LayerDropout::Place::kOutput, states);
}

}  // namespace tutti::trainer
