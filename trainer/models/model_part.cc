#include "trainer/models/model_part.h"

#include <algorithm>

#include "dist/runtime/errors.h"
#include "trainer/models/parameters.h"

namespace tutti::trainer {

const std::vector<ModelPart>& all_model_parts() {
  static const std::vector<ModelPart> parts = {ModelPart::kEncoder, ModelPart::kDecoder,
                                               ModelPart::kIdRows, ModelPart::kTextRows,
                                               ModelPart::kAdapters};
  return parts;
}

std::string name_of(ModelPart part) {
  switch (part) {
    case ModelPart::kEncoder:
      return "encoder";
    case ModelPart::kDecoder:
      return "decoder";
    case ModelPart::kIdRows:
      return "id-rows";
    case ModelPart::kTextRows:
      return "text-rows";
    case ModelPart::kAdapters:
      return "adapters";
  }
  fail_check("a known part", "");
}

ModelPart part_of(const std::string& parameter, bool over_bert) {
  if (parameter.find(".lora_") != std::string::npos) return ModelPart::kAdapters;
  if (parameter == "id_embedding.weight" || parameter == "lm_head.id.weight") {
    return ModelPart::kIdRows;
  }
  if (parameter == "model.embed_tokens.weight" || parameter == "lm_head.text.weight" ||
      parameter == "bert.embeddings.word_embeddings.weight" ||
      (parameter == "shared.weight" && !over_bert)) {
    return ModelPart::kTextRows;
  }
  return parameter.starts_with("encoder.") || parameter.starts_with("bert.") ? ModelPart::kEncoder
                                                                             : ModelPart::kDecoder;
}

PartUse set_part_rate(std::vector<Parameter>& parameters, ModelPart part, double rate) {
  const bool over_bert = std::any_of(parameters.begin(), parameters.end(), [](const Parameter& p) {
    return p.name.starts_with("bert.");
  });
  PartUse use = PartUse::kAbsent;
  for (Parameter& p : parameters) {
    if (part_of(p.name, over_bert) != part) continue;
    p.rate = rate;
    use = p.trainable || use == PartUse::kTrained ? PartUse::kTrained : PartUse::kFrozen;
  }
  return use;
}

}  // namespace tutti::trainer
