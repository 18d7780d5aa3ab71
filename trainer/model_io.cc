#include "trainer/model_io.h"

#include <memory>

#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"
#include "trainer/models/make_model.h"

namespace tutti::trainer {

LoadedModel load_model(const std::filesystem::path& run_or_checkpoint, const Manifest& ids) {
  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(run_or_checkpoint);
  require_made_from(checkpoint.path, checkpoint.manifest, "id-table", ids);
  auto model = make_model(checkpoint.state.value("model", nlohmann::json::object()),
                          (checkpoint.path / checkpoints::kStateFile).string());
  load_parameters(*model, checkpoint.model);
  return {.path = checkpoint.path,
          .manifest = checkpoint.manifest,
          .state = checkpoint.state,
          .model = std::move(model),
          .tokenizer = data::Tokenizer::from_folder(checkpoint.path)};
}

namespace {

// In host memory: the tensor's own, or a copy that the result keeps alive.
checkpoints::NamedTensor named_tensor(const std::string& name, const at::Tensor& t) {
  const auto host = std::make_shared<const at::Tensor>(t.detach().to(at::kCPU).contiguous());
  return {.name = name,
          .type = checkpoints::TensorType::kF32,
          .shape = t.sizes().vec(),
          .data = host->const_data_ptr<float>(),
          .owner = host};
}

// Fills a tensor, wherever it is, with `count` floats of host memory.
void fill(const at::Tensor& t, const void* from) {
  const c10::NoGradGuard no_grad;
  t.detach().copy_(at::from_blob(const_cast<void*>(from), t.sizes(), at::kFloat));
}

}  // namespace

std::vector<checkpoints::NamedTensor> parameters_as_tensors(const IdModel& model) {
  std::vector<checkpoints::NamedTensor> tensors;
  for (const Parameter& p : model.parameters()) tensors.push_back(named_tensor(p.name, p.value));
  return tensors;
}

void load_parameters(IdModel& model, const checkpoints::SafetensorsFile& file) {
  for (Parameter& p : model.parameters()) {
    const checkpoints::NamedTensor& stored =
        file.require(p.name, checkpoints::TensorType::kF32, p.shape);
    fill(p.value, stored.data);
  }
}

std::vector<checkpoints::NamedTensor> optimizer_as_tensors(const at::Tensor& moment1,
                                                           const at::Tensor& moment2) {
  return {named_tensor("exp_avg", moment1), named_tensor("exp_avg_sq", moment2)};
}

namespace {

// The state of the optimizer's tables of rows by the names that it is stored under.
std::vector<std::pair<std::string, at::Tensor>> row_state_of(const AdamW& optimizer) {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (const AdamW::RowState& state : optimizer.row_states()) {
    named.emplace_back("exp_avg." + state.parameter->name, state.moment1);
    named.emplace_back("exp_avg_sq." + state.parameter->name, state.moment2);
    named.emplace_back("steps." + state.parameter->name, state.num_steps);
  }
  return named;
}

}  // namespace

std::vector<checkpoints::NamedTensor> row_state_as_tensors(const AdamW& optimizer) {
  std::vector<checkpoints::NamedTensor> tensors;
  for (const auto& [name, t] : row_state_of(optimizer)) {
    tensors.push_back(named_tensor(name, t));
  }
  return tensors;
}

std::vector<checkpoints::NamedTensor> optimizer_as_tensors(const AdamW& optimizer) {
  TUTTI_CHECK(optimizer.moment1().numel() == optimizer.num_flat(), "gather the moments first");
  auto tensors = optimizer_as_tensors(optimizer.moment1(), optimizer.moment2());
  const auto rows = row_state_as_tensors(optimizer);
  tensors.insert(tensors.end(), rows.begin(), rows.end());
  return tensors;
}

void load_optimizer(AdamW& optimizer, const checkpoints::SafetensorsFile& file, int64_t num_steps) {
  for (const auto& [name, moment] :
       {std::pair("exp_avg", optimizer.moment1()), std::pair("exp_avg_sq", optimizer.moment2())}) {
    const std::vector<int64_t> shape = {optimizer.num_flat()};
    const checkpoints::NamedTensor& stored =
        file.require(name, checkpoints::TensorType::kF32, shape);
    int64_t done = 0;
    for (const Range& part : optimizer.owned()) {
      fill(moment.narrow(0, done, part.size()),
           static_cast<const float*>(stored.data) + part.first);
      done += part.size();
    }
  }
  for (const auto& [name, t] : row_state_of(optimizer)) {
    const checkpoints::NamedTensor& stored =
        file.require(name, checkpoints::TensorType::kF32, t.sizes().vec());
    fill(t, stored.data);
  }
  optimizer.set_num_steps(num_steps);
}

}  // namespace tutti::trainer
