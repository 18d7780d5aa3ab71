#pragma once

#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "trainer/models/id_model.h"
#include "trainer/models/training_form.h"

namespace tutti::trainer {

// The model of a shape as IdModel::shape() gives it, with parameters allocated, not initialised.
// DataError naming the field that is missing or wrong; `origin`: the file it was read from.
std::unique_ptr<IdModel> make_model(const nlohmann::json& shape, const std::string& origin = "",
                                    const TrainingForm& form = {});

}  // namespace tutti::trainer
