#include "trainer/models/make_model.h"

#include <nlohmann/json.hpp>

#include "trainer/models/llama.h"
#include "trainer/models/t5.h"

namespace tutti::trainer {

std::unique_ptr<IdModel> make_model(const nlohmann::json& shape, const std::string& origin,
                                    const TrainingForm& form) {
  if (const auto arch = shape.find("arch"); arch != shape.end() && *arch == "llama") {
    return std::make_unique<LlamaModel>(checkpoints::llama_config_from_json(shape, origin),
                                        form.part, form.text_rows);
  }
  return std::make_unique<T5Model>(t5_config_from_json(shape, origin), form.part, form.text_rows);
}

}  // namespace tutti::trainer
