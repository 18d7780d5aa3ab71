#include "checkpoints/import/hf_config.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "checkpoints/json_fields.h"

namespace tutti::checkpoints {
namespace {

using nlohmann::json;

void require_architecture(const JsonFields& config) {
  const json* type = config.find("model_type");
  if (type == nullptr || *type != "t5") {
    config.fail("model_type", "\"t5\"", "give a T5, T5 v1.1 or Flan-T5");
  }
  // The second name is that of T5's first checkpoints.
  constexpr std::array kKnown = {"T5ForConditionalGeneration", "T5WithLMHeadModel"};
  const json* names = config.find("architectures");
  const bool is_known = names != nullptr && names->is_array() && names->size() == 1 &&
                        std::any_of(kKnown.begin(), kKnown.end(),
                                    [&](const char* name) { return names->at(0) == name; });
  if (!is_known) config.fail("architectures", "[\"T5ForConditionalGeneration\"]");
  config.require("is_encoder_decoder", true);
  if (config.find("quantization_config") != nullptr) {
    config.fail("quantization_config", "no quantization", "give the model in fp32 or bf16");
  }
}

FeedForwardForm feed_forward_of(const JsonFields& config) {
  const json* form = config.find("feed_forward_proj");
  if (form == nullptr || *form == "relu") {
    config.require("is_gated_act", false);
    config.require("dense_act_fn", "relu");
    return FeedForwardForm::kRelu;
  }
  if (*form != "gated-gelu") config.fail("feed_forward_proj", "\"relu\" or \"gated-gelu\"");
  config.require("is_gated_act", true);
  config.require("dense_act_fn", "gelu_new");
  return FeedForwardForm::kGatedGelu;
}

}  // namespace

HfT5Config read_hf_t5_config(const std::filesystem::path& path) {
  const JsonFields config =
      JsonFields::read(path, "the config of a T5ForConditionalGeneration",
                       "give a folder that transformers' save_pretrained wrote");
  require_architecture(config);
  for (const auto& [field, id] :
       {std::pair("pad_token_id", 0), {"eos_token_id", 1}, {"decoder_start_token_id", 0}}) {
    config.require(field, id, "tutti keeps T5's special tokens: pad 0, eos 1, unk 2");
  }
  HfT5Config read;
  T5Config& t5 = read.shape;
  t5.text_rows = config.size("vocab_size");
  t5.id_tokens = 0;
  t5.d_model = config.size("d_model");
  t5.d_kv = config.size("d_kv");
  t5.d_ff = config.size("d_ff");
  t5.num_heads = config.size("num_heads");
  t5.num_layers = config.size("num_layers");
  t5.num_decoder_layers = config.size("num_decoder_layers", t5.num_layers);
  t5.relative_attention_num_buckets = config.size("relative_attention_num_buckets", 32);
  t5.relative_attention_max_distance = config.size("relative_attention_max_distance", 128);
  // Half of a direction's buckets hold a distance each, the others up to the largest: there have to
  // be some of both.
  if (t5.relative_attention_num_buckets < 4) {
    config.fail("relative_attention_num_buckets", "at least 4");
  }
  if (t5.relative_attention_max_distance <= t5.relative_attention_num_buckets / 2) {
    config.fail("relative_attention_max_distance",
                "more than half of relative_attention_num_buckets");
  }
  t5.layer_norm_epsilon = config.number("layer_norm_epsilon", 1e-6);
  if (!(t5.layer_norm_epsilon > 0)) config.fail("layer_norm_epsilon", "a number above 0");
  t5.feed_forward = feed_forward_of(config);
  t5.tie_word_embeddings = config.flag("tie_word_embeddings", true);
  t5.scale_decoder_outputs = config.flag("scale_decoder_outputs", t5.tie_word_embeddings);
  read.tells_scale_apart = config.find("scale_decoder_outputs") != nullptr;
  return read;
}

}  // namespace tutti::checkpoints
