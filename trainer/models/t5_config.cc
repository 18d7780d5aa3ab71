#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "trainer/models/t5.h"

namespace tutti::trainer {
namespace {

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

}  // namespace

nlohmann::json to_json(const T5Config& config) {
  nlohmann::json json = {{"arch", "t5"}, {"layer_norm_epsilon", config.layer_norm_epsilon}};
  visit_sizes(config, [&](const char* name, int64_t value) { json[name] = value; });
  return json;
}

T5Config t5_config_from_json(const nlohmann::json& json) {
  const auto wrong = [](const std::string& field, const std::string& found,
                        const std::string& expected) {
    return DataError(Problem{"", "model config, field '" + field + "'", found, expected, ""});
  };
  const std::string arch = json.value("arch", "none");
  if (arch != "t5") throw wrong("arch", arch, "t5");
  T5Config config;
  visit_sizes(config, [&](const char* name, int64_t& value) {
    const auto field = json.find(name);
    if (field == json.end()) throw wrong(name, "nothing", "a positive integer");
    if (!field->is_number_integer() || field->get<int64_t>() <= 0)
      throw wrong(name, field->dump(), "a positive integer");
    value = field->get<int64_t>();
  });
  const auto epsilon = json.find("layer_norm_epsilon");
  if (epsilon == json.end() || !epsilon->is_number()) {
    throw wrong("layer_norm_epsilon", epsilon == json.end() ? "nothing" : epsilon->dump(),
                "a number");
  }
  config.layer_norm_epsilon = epsilon->get<double>();
  return config;
}

}  // namespace tutti::trainer
