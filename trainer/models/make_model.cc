#include "trainer/models/make_model.h"

#include <nlohmann/json.hpp>

#include "trainer/models/t5.h"

namespace tutti::trainer {

std::unique_ptr<IdModel> make_model(const nlohmann::json& shape, const std::string& origin) {
  return std::make_unique<T5Model>(t5_config_from_json(shape, origin));
}

}  // namespace tutti::trainer
