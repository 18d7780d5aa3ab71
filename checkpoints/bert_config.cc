#include "checkpoints/bert_config.h"

#include "checkpoints/json_fields.h"

namespace tutti::checkpoints {
namespace {

template <typename Config, typename Visitor>
void visit_sizes(Config& config, Visitor&& visit) {
  visit("vocab_size", config.vocab_size);
  visit("hidden_size", config.hidden_size);
  visit("intermediate_size", config.intermediate_size);
  visit("num_hidden_layers", config.num_hidden_layers);
  visit("num_attention_heads", config.num_attention_heads);
  visit("max_position_embeddings", config.max_position_embeddings);
  visit("type_vocab_size", config.type_vocab_size);
}

}  // namespace

nlohmann::json to_json(const BertConfig& config) {
  nlohmann::json json = {{"arch", "bert"}, {"layer_norm_eps", config.layer_norm_eps}};
  visit_sizes(config, [&](const char* name, int64_t value) { json[name] = value; });
  return json;
}

BertConfig bert_config_from_json(const nlohmann::json& json, const std::string& origin) {
  const JsonFields fields(json, origin, "model config, ");
  if (fields.at("arch", "bert") != "bert") fields.fail("arch", "bert");
  BertConfig config;
  visit_sizes(config, [&](const char* name, int64_t& value) { value = fields.size(name); });
  config.layer_norm_eps = fields.number("layer_norm_eps");
  if (config.hidden_size % config.num_attention_heads != 0) {
    fields.fail("num_attention_heads", "a divisor of hidden_size");
  }
  return config;
}

}  // namespace tutti::checkpoints
