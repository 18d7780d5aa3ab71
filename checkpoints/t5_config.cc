#include "checkpoints/t5_config.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "checkpoints/json_fields.h"

namespace tutti::checkpoints {
namespace {

constexpr std::array kForms = {FeedForwardForm::kRelu, FeedForwardForm::kGatedGelu};

// The fields of T5Config by their JSON names, so that reading and writing cannot drift apart.
template <typename Config, typename Visitor>
void visit_sizes(Config& config, Visitor&& visit) {
  visit("text_rows", config.text_rows);
  visit("id_tokens", config.id_tokens);
  visit("d_model", config.d_model);
  visit("d_kv", config.d_kv);
  visit("num_heads", config.num_heads);
  visit("d_ff", config.d_ff);
  visit("num_layers", config.num_layers);
  visit("num_decoder_layers", config.num_decoder_layers);
  visit("relative_attention_num_buckets", config.relative_attention_num_buckets);
  visit("relative_attention_max_distance", config.relative_attention_max_distance);
}
template <typename Config, typename Visitor>
void visit_flags(Config& config, Visitor&& visit) {
  visit("tie_word_embeddings", config.tie_word_embeddings);
  visit("scale_decoder_outputs", config.scale_decoder_outputs);
  visit("text_head", config.text_head);
}

}  // namespace

const char* name_of(FeedForwardForm form) {
  return form == FeedForwardForm::kRelu ? "relu" : "gated-gelu";
}

nlohmann::json to_json(const T5Config& config) {
  nlohmann::json json = {{"arch", "t5"},
                         {"layer_norm_epsilon", config.layer_norm_epsilon},
                         {"feed_forward_proj", name_of(config.feed_forward)}};
  visit_sizes(config, [&](const char* name, int64_t value) { json[name] = value; });
  visit_flags(config, [&](const char* name, bool value) { json[name] = value; });
  if (config.unread_ids > 0) json["unread_ids"] = config.unread_ids;
  if (config.encoder) json["encoder"] = to_json(*config.encoder);
  if (config.lora) json["lora"] = to_json(*config.lora);
  return json;
}

T5Config t5_config_from_json(const nlohmann::json& json, const std::string& origin) {
  const JsonFields fields(json, origin, "model config, ");
  if (fields.at("arch", "t5") != "t5") fields.fail("arch", "t5");
  T5Config config;
  visit_sizes(config, [&](const char* name, int64_t& value) { value = fields.size(name); });
  config.unread_ids = fields.size("unread_ids", 0);
  if (config.unread_ids > config.id_tokens) fields.fail("unread_ids", "at most id_tokens");
  visit_flags(config, [&](const char* name, bool& value) { value = fields.flag(name); });
  config.layer_norm_epsilon = fields.number("layer_norm_epsilon");
  const nlohmann::json& form = fields.at("feed_forward_proj", "relu or gated-gelu");
  const auto* known = std::find_if(kForms.begin(), kForms.end(),
                                   [&](FeedForwardForm f) { return form == name_of(f); });
  if (known == kForms.end()) fields.fail("feed_forward_proj", "relu or gated-gelu");
  config.feed_forward = *known;
  if (const auto encoder = json.find("encoder"); encoder != json.end()) {
    config.encoder = bert_config_from_json(*encoder, origin);
  }
  if (const nlohmann::json* lora = fields.find("lora")) {
    config.lora = lora_config_from_json(*lora, origin);
  }
  return config;
}

}  // namespace tutti::checkpoints
