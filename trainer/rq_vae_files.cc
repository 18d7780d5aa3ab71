#include "trainer/rq_vae_files.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "dist/runtime/errors.h"

namespace tutti::trainer {

void write_rq_vae(const std::filesystem::path& file, const RqVae& model) {
  std::vector<checkpoints::NamedTensor> tensors;
  for (const auto& [name, value] : model.weights()) {
    tensors.push_back({.name = name,
                       .type = checkpoints::TensorType::kF32,
                       .shape = value.sizes().vec(),
                       .data = value.const_data_ptr<float>()});
  }
  tensors.push_back({.name = "mean",
                     .type = checkpoints::TensorType::kF32,
                     .shape = {std::ssize(model.mean)},
                     .data = model.mean.data()});
  const RqVaeShape& shape = model.shape();
  const nlohmann::json facts = {{"dim", shape.dim},
                                {"hidden", shape.hidden},
                                {"latent", shape.latent},
                                {"norm", ids::name_of(model.norm)},
                                {"deviation", model.deviation}};
  checkpoints::write_safetensors(file, std::move(tensors), {{"rq-vae", facts.dump()}});
}

RqVae read_rq_vae(const std::filesystem::path& path) {
  const auto file = checkpoints::SafetensorsFile::open(path);
  const auto refuse = [&](const std::string& found) {
    throw DataError({path.string(), "metadata 'rq-vae'", found, "the shape of a network",
                     "make the embeddings again with `tutti embed rq-vae`"});
  };
  const auto text = file.metadata().find("rq-vae");
  if (text == file.metadata().end()) refuse("not there");
  const auto facts = nlohmann::json::parse(text->second, nullptr, /*allow_exceptions=*/false);
  RqVaeShape shape;
  double deviation = 0;
  std::string norm;
  try {
    shape.dim = facts.at("dim").get<int64_t>();
    shape.hidden = facts.at("hidden").get<std::vector<int64_t>>();
    shape.latent = facts.at("latent").get<int64_t>();
    deviation = facts.at("deviation").get<double>();
    norm = facts.at("norm").get<std::string>();
  } catch (const nlohmann::json::exception& error) {
    refuse(error.what());
  }
  const auto is_width = [](int64_t width) { return width >= 1 && width <= 1 << 20; };
  if (!is_width(shape.dim) || !is_width(shape.latent) || shape.hidden.empty() ||
      !std::ranges::all_of(shape.hidden, is_width) || !(deviation > 0) ||
      !std::isfinite(deviation)) {
    refuse(text->second);
  }
  RqVae model(shape, 0);
  model.norm = ids::norm_handling(norm);
  model.deviation = deviation;
  const c10::NoGradGuard no_grad;
  for (const auto& [name, value] : model.weights()) {
    const auto sizes = value.sizes().vec();
    const auto& stored = file.require(name, checkpoints::TensorType::kF32, sizes);
    std::memcpy(value.mutable_data_ptr(), stored.data, static_cast<size_t>(stored.num_bytes()));
  }
  const std::array<int64_t, 1> width = {shape.dim};
  const auto& mean = file.require("mean", checkpoints::TensorType::kF32, width);
  const auto* values = static_cast<const float*>(mean.data);
  model.mean.assign(values, values + shape.dim);
  return model;
}

}  // namespace tutti::trainer
