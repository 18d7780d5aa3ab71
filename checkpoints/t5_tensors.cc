#include "checkpoints/t5_tensors.h"

#include <fmt/core.h>

namespace tutti::checkpoints {

std::vector<TensorShape> t5_block_tensors(const T5Config& t5) {
  std::vector<TensorShape> tensors;
  const auto attention = [&](const std::string& layer, const std::string& kind) {
    const int64_t read = kind == "EncDecAttention" ? t5.encoder_width() : t5.d_model;
    for (const char* in : {"q", "k", "v"}) {
      tensors.push_back({fmt::format("{}.{}.{}.weight", layer, kind, in),
                         {t5.inner_dim(), in[0] == 'q' ? t5.d_model : read}});
    }
    tensors.push_back({fmt::format("{}.{}.o.weight", layer, kind), {t5.d_model, t5.inner_dim()}});
    tensors.push_back({layer + ".layer_norm.weight", {t5.d_model}});
  };
  const auto feed_forward = [&](const std::string& layer) {
    const std::string prefix = layer + ".DenseReluDense.";
    if (t5.feed_forward == FeedForwardForm::kRelu) {
      tensors.push_back({prefix + "wi.weight", {t5.d_ff, t5.d_model}});
    } else {
      tensors.push_back({prefix + "wi_0.weight", {t5.d_ff, t5.d_model}});
      tensors.push_back({prefix + "wi_1.weight", {t5.d_ff, t5.d_model}});
    }
    tensors.push_back({prefix + "wo.weight", {t5.d_model, t5.d_ff}});
    tensors.push_back({layer + ".layer_norm.weight", {t5.d_model}});
  };
  for (const bool is_decoder : {false, true}) {
    if (!is_decoder && t5.encoder) continue;
    const std::string stack = is_decoder ? "decoder" : "encoder";
    const int64_t num_blocks = is_decoder ? t5.num_decoder_layers : t5.num_layers;
    for (int64_t i = 0; i < num_blocks; ++i) {
      const std::string block = fmt::format("{}.block.{}.layer.", stack, i);
      attention(block + "0", "SelfAttention");
      if (i == 0) {
        tensors.push_back({block + "0.SelfAttention.relative_attention_bias.weight",
                           {t5.relative_attention_num_buckets, t5.num_heads}});
      }
      if (is_decoder) attention(block + "1", "EncDecAttention");
      feed_forward(block + (is_decoder ? "2" : "1"));
    }
    tensors.push_back({stack + ".final_layer_norm.weight", {t5.d_model}});
  }
  return tensors;
}

}  // namespace tutti::checkpoints
