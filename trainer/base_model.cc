#include "trainer/base_model.h"

#include <span>

#include <nlohmann/json.hpp>

#include "checkpoints/lora.h"
#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

constexpr const char *kHead = "lm_head.weight", *kTextHead = "lm_head.text.weight";

}  // namespace

nlohmann::json to_json(const BaseReport& report) {
  nlohmann::json json = {{"loaded", report.loaded},
                         {"num_loaded_values", report.num_loaded_values},
                         {"added", report.added},
                         {"ignored", nlohmann::json::array()}};
  for (const auto& [name, reason] : report.ignored) {
    json["ignored"].push_back({{"tensor", name}, {"reason", reason}});
  }
  return json;
}

namespace {

template <typename Config>
Config shape_of_base(Config config, int64_t id_tokens, checkpoints::Softmax softmax) {
  config.id_tokens = id_tokens;
  config.text_head = config.text_head && softmax == checkpoints::Softmax::kFull;
  return config;
}

void copy_values(const checkpoints::NamedTensor& tensor, std::span<float> out) {
  checkpoints::copy_as_fp32(tensor, out);
}
void copy_values(const checkpoints::SourceTensor& tensor, std::span<float> out) {
  tensor.copy_as_fp32(out);
}

// Fills the parameters of these names, but for ID rows, adapters and a head that the model lacks.
template <typename Base>
BaseReport load_named(IdModel& model, const Base& base) {
  BaseReport report;
  report.ignored = base.ignored();
  for (const auto& tensor : base.tensors()) {
    Parameter* parameter = model.find(tensor.name == kHead ? kTextHead : tensor.name);
    if (tensor.name == kHead && parameter == nullptr) {
      report.ignored.push_back(
          {tensor.name, "text rows of the head: only --softmax full has them"});
      continue;
    }
    TUTTI_CHECK(parameter != nullptr && parameter->shape == tensor.shape, tensor.name);
    copy_values(tensor, {parameter->value.template data_ptr<float>(),
                         static_cast<size_t>(tensor.num_elements())});
    report.loaded.push_back(tensor.name);
    report.num_loaded_values += tensor.num_elements();
  }
  for (const Parameter& p : model.parameters()) {
    const bool is_new = p.name == "id_embedding.weight" || p.name == "lm_head.id.weight" ||
                        checkpoints::is_adapter(p.name);
    if (is_new) report.added.push_back(p.name);
  }
  TUTTI_CHECK(report.loaded.size() + report.added.size() == model.parameters().size(),
              "every parameter is loaded or added");
  return report;
}

}  // namespace

T5Config config_from_base(const checkpoints::HfT5& base, int64_t id_tokens,
                          checkpoints::Softmax softmax) {
  return shape_of_base(base.config(), id_tokens, softmax);
}
checkpoints::LlamaConfig config_from_base(const checkpoints::LlamaSource& base, int64_t id_tokens,
                                          checkpoints::Softmax softmax) {
  return shape_of_base(base.config(), id_tokens, softmax);
}

BaseReport load_base(IdModel& model, const checkpoints::HfT5& base) {
  return load_named(model, base);
}
BaseReport load_base(IdModel& model, const checkpoints::LlamaSource& base) {
  return load_named(model, base);
}

T5Config config_from_encoder(const checkpoints::BertSource& base, T5Config decoder,
                             int64_t id_tokens) {
  decoder.encoder = base.config();
  decoder.text_rows = 1;  // what the decoder starts from
  decoder.id_tokens = id_tokens;
  decoder.text_head = false;
  return decoder;
}

BaseReport load_encoder(IdModel& model, const checkpoints::BertSource& base) {
  BaseReport report;
  report.ignored = base.ignored();
  for (const checkpoints::SourceTensor& tensor : base.tensors()) {
    Parameter* parameter = model.find("bert." + tensor.name);
    TUTTI_CHECK(parameter != nullptr && parameter->shape == tensor.shape, tensor.name);
    tensor.copy_as_fp32(
        {parameter->value.data_ptr<float>(), static_cast<size_t>(tensor.num_elements())});
    report.loaded.push_back(tensor.name);
    report.num_loaded_values += tensor.num_elements();
  }
  for (const Parameter& p : model.parameters()) {
    if (!p.name.starts_with("bert.") || checkpoints::is_adapter(p.name))
      report.added.push_back(p.name);
  }
  return report;
}

}  // namespace tutti::trainer
