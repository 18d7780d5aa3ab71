#include "trainer/model_io.h"

#include <cstring>

#include <fmt/format.h>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"

namespace tutti::trainer {

LoadedModel load_model(const std::filesystem::path& run_or_checkpoint, const Manifest& ids) {
  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(run_or_checkpoint);
  require_made_from(checkpoint.path, checkpoint.manifest, "id-table", ids);
  auto model = std::make_unique<T5Model>(t5_config_from_json(checkpoint.state.at("model")));
  load_parameters(*model, checkpoint.model);
  return {.path = checkpoint.path,
          .manifest = checkpoint.manifest,
          .state = checkpoint.state,
          .model = std::move(model),
          .tokenizer = data::Tokenizer::from_file((checkpoint.path / "spiece.model").string())};
}

std::vector<checkpoints::NamedTensor> parameters_as_tensors(const T5Model& model) {
  std::vector<checkpoints::NamedTensor> tensors;
  for (const Parameter& p : model.parameters()) {
    tensors.push_back({.name = p.name,
                       .type = checkpoints::TensorType::kF32,
                       .shape = p.shape,
                       .data = p.value.const_data_ptr<float>()});
  }
  return tensors;
}

void load_parameters(T5Model& model, const checkpoints::SafetensorsFile& file) {
  for (Parameter& p : model.parameters()) {
    const checkpoints::NamedTensor& stored =
        file.require(p.name, checkpoints::TensorType::kF32, p.shape);
    std::memcpy(p.value.data_ptr<float>(), stored.data, stored.num_bytes());
  }
}

std::vector<checkpoints::NamedTensor> optimizer_as_tensors(const AdamW& optimizer) {
  const auto flat = [](const char* name, const at::Tensor& t) {
    return checkpoints::NamedTensor{.name = name,
                                    .type = checkpoints::TensorType::kF32,
                                    .shape = {t.numel()},
                                    .data = t.const_data_ptr<float>()};
  };
  return {flat("exp_avg", optimizer.moment1()), flat("exp_avg_sq", optimizer.moment2())};
}

void load_optimizer(AdamW& optimizer, const checkpoints::SafetensorsFile& file, int64_t num_steps) {
  for (const auto& [name, moment] :
       {std::pair("exp_avg", optimizer.moment1()), std::pair("exp_avg_sq", optimizer.moment2())}) {
    const std::vector<int64_t> shape = {moment.numel()};
    const checkpoints::NamedTensor& stored =
        file.require(name, checkpoints::TensorType::kF32, shape);
    std::memcpy(moment.data_ptr<float>(), stored.data, stored.num_bytes());
  }
  optimizer.set_num_steps(num_steps);
}

}  // namespace tutti::trainer
