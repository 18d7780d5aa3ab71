#include "checkpoints/t5_config.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"

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

// Reads fields of one document and says which one is wrong.
class FieldReader {
 public:
  FieldReader(const nlohmann::json& json, std::string origin)
      : json_(json), origin_(std::move(origin)) {}

  [[noreturn]] void fail(const std::string& field, const std::string& expected) const {
    const auto found = json_.find(field);
    throw DataError(Problem{.file = origin_,
                            .place = "model config, field '" + field + "'",
                            .found = found == json_.end() ? "nothing" : found->dump(),
                            .expected = expected,
                            .cure = {}});
  }
  const nlohmann::json& at(const std::string& field, const std::string& expected) const {
    const auto found = json_.find(field);
    if (found == json_.end()) fail(field, expected);
    return *found;
  }

 private:
  const nlohmann::json& json_;
  std::string origin_;
};

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
  return json;
}

T5Config t5_config_from_json(const nlohmann::json& json, const std::string& origin) {
  const FieldReader fields(json, origin);
  if (fields.at("arch", "t5") != "t5") fields.fail("arch", "t5");
  T5Config config;
  visit_sizes(config, [&](const char* name, int64_t& value) {
    constexpr const char* kExpected = "a positive integer";
    const nlohmann::json& field = fields.at(name, kExpected);
    if (!field.is_number_integer() || field.get<int64_t>() <= 0) fields.fail(name, kExpected);
    value = field.get<int64_t>();
  });
  visit_flags(config, [&](const char* name, bool& value) {
    const nlohmann::json& field = fields.at(name, "true or false");
    if (!field.is_boolean()) fields.fail(name, "true or false");
    value = field.get<bool>();
  });
  const nlohmann::json& epsilon = fields.at("layer_norm_epsilon", "a number");
  if (!epsilon.is_number()) fields.fail("layer_norm_epsilon", "a number");
  config.layer_norm_epsilon = epsilon.get<double>();
  const nlohmann::json& form = fields.at("feed_forward_proj", "relu or gated-gelu");
  const auto* known = std::find_if(kForms.begin(), kForms.end(),
                                   [&](FeedForwardForm f) { return form == name_of(f); });
  if (known == kForms.end()) fields.fail("feed_forward_proj", "relu or gated-gelu");
  config.feed_forward = *known;
  return config;
}

}  // namespace tutti::checkpoints
