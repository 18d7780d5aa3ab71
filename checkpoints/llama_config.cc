#include "checkpoints/llama_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "checkpoints/json_fields.h"

namespace tutti::checkpoints {
namespace {

constexpr std::array kFamilies = {LlamaFamily::kLlama, LlamaFamily::kQwen2, LlamaFamily::kQwen3};

// The fields by their JSON names, so that reading and writing cannot drift apart.
template <typename Config, typename Visitor>
void visit_sizes(Config& config, Visitor&& visit) {
  visit("text_rows", config.text_rows);
  visit("id_tokens", config.id_tokens);
  visit("hidden_size", config.hidden_size);
  visit("intermediate_size", config.intermediate_size);
  visit("num_hidden_layers", config.num_hidden_layers);
  visit("num_attention_heads", config.num_attention_heads);
  visit("num_key_value_heads", config.num_key_value_heads);
  visit("head_dim", config.head_dim);
  visit("max_position_embeddings", config.max_position_embeddings);
}
template <typename Config, typename Visitor>
void visit_numbers(Config& config, Visitor&& visit) {
  visit("rms_norm_eps", config.rms_norm_eps);
  visit("rope_theta", config.rope_theta);
}
template <typename Config, typename Visitor>
void visit_flags(Config& config, Visitor&& visit) {
  visit("qkv_bias", config.qkv_bias);
  visit("qk_norm", config.qk_norm);
  visit("tie_word_embeddings", config.tie_word_embeddings);
  visit("text_head", config.text_head);
}

}  // namespace

const char* name_of(LlamaFamily family) {
  switch (family) {
    case LlamaFamily::kQwen2:
      return "qwen2";
    case LlamaFamily::kQwen3:
      return "qwen3";
    case LlamaFamily::kLlama:
      break;
  }
  return "llama";
}

nlohmann::json to_json(const LlamaConfig& config) {
  nlohmann::json json = {{"arch", "llama"}, {"family", name_of(config.family)}};
  const auto put = [&json](const char* name, auto value) { json[name] = value; };
  visit_sizes(config, put);
  visit_numbers(config, put);
  visit_flags(config, put);
  if (const auto& scaling = config.rope_scaling) {
    json["rope_scaling"] = {
        {"factor", scaling->factor},
        {"low_freq_factor", scaling->low_freq_factor},
        {"high_freq_factor", scaling->high_freq_factor},
        {"original_max_position_embeddings", scaling->original_max_position_embeddings}};
  }
  if (config.unread_ids > 0) json["unread_ids"] = config.unread_ids;
  if (config.lora) json["lora"] = to_json(*config.lora);
  return json;
}

LlamaConfig llama_config_from_json(const nlohmann::json& json, const std::string& origin) {
  const JsonFields fields(json, origin, "model config, ");
  if (fields.at("arch", "llama") != "llama") fields.fail("arch", "llama");
  LlamaConfig config;
  const std::string family = fields.text("family");
  const auto* known = std::find_if(kFamilies.begin(), kFamilies.end(),
                                   [&](LlamaFamily f) { return family == name_of(f); });
  if (known == kFamilies.end()) fields.fail("family", "llama, qwen2 or qwen3");
  config.family = *known;
  visit_sizes(config, [&](const char* name, int64_t& value) { value = fields.size(name); });
  config.unread_ids = fields.size("unread_ids", 0);
  if (config.unread_ids > config.id_tokens) fields.fail("unread_ids", "at most id_tokens");
  visit_numbers(config, [&](const char* name, double& value) { value = fields.number(name); });
  visit_flags(config, [&](const char* name, bool& value) { value = fields.flag(name); });
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    fields.fail("num_key_value_heads", "a divisor of num_attention_heads");
  }
  if (config.head_dim % 2 != 0) fields.fail("head_dim", "an even number");
  if (const nlohmann::json* scaling = fields.find("rope_scaling")) {
    const JsonFields inner(*scaling, origin, "model config, rope_scaling, ");
    config.rope_scaling = {
        .factor = inner.number("factor"),
        .low_freq_factor = inner.number("low_freq_factor"),
        .high_freq_factor = inner.number("high_freq_factor"),
        .original_max_position_embeddings = inner.size("original_max_position_embeddings")};
  }
  if (const nlohmann::json* lora = fields.find("lora")) {
    config.lora = lora_config_from_json(*lora, origin);
  }
  return config;
}

std::vector<double> rope_inverse_frequencies(const LlamaConfig& config) {
  std::vector<double> frequencies(static_cast<size_t>(config.head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim);
    frequencies[i] = std::pow(config.rope_theta, -exponent);
  }
  if (!config.rope_scaling) return frequencies;
  // Long waves are slowed by the factor, short ones stay, those between are blended.
  const RopeScaling& scaling = *config.rope_scaling;
  const auto context = static_cast<double>(scaling.original_max_position_embeddings);
  for (double& frequency : frequencies) {
    const double waves = context * frequency / (2 * std::numbers::pi);  // in the old context
    const double keep = std::clamp(
        (waves - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor),
        0.0, 1.0);
    frequency *= keep + (1 - keep) / scaling.factor;
  }
  return frequencies;
}

}  // namespace tutti::checkpoints
