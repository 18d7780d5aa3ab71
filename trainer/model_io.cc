#include "trainer/model_io.h"

#include <memory>
#include <span>
#include <utility>

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"
#include "trainer/models/make_model.h"

namespace tutti::trainer {

LoadedModel load_model(const std::filesystem::path& run_or_checkpoint, const Manifest& ids) {
  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(run_or_checkpoint);
  require_made_from(checkpoint.path, checkpoint.manifest, "id-table", ids);
  return load_model(checkpoint);
}

LoadedModel load_model(const checkpoints::Checkpoint& checkpoint) {
  const std::string state_file = (checkpoint.path / checkpoints::kStateFile).string();
  nlohmann::json shape = checkpoint.state.value("model", nlohmann::json::object());
  const nlohmann::json lora = shape.value("lora", nlohmann::json());
  shape.erase("lora");
  auto model = make_model(shape, state_file);
  load_parameters(*model, checkpoint.model);
  if (!lora.is_null()) {
    merge_adapters(*model, checkpoints::lora_config_from_json(lora, state_file), checkpoint.model);
  }
  data::Tokenizer tokenizer = data::Tokenizer::from_folder(checkpoint.path);
  if (const auto prompt = checkpoint.state.find("prompt"); prompt != checkpoint.state.end()) {
    tokenizer.set_prompt(prompt->get<std::string>());
  }
  return {.path = checkpoint.path,
          .manifest = checkpoint.manifest,
          .state = checkpoint.state,
          .model = std::move(model),
          .tokenizer = std::move(tokenizer)};
}

void merge_adapters(IdModel& model, const checkpoints::LoraConfig& lora,
                    const checkpoints::ShardedTensors& stored) {
  const c10::NoGradGuard no_grad;
  const auto values = [&stored](const std::string& name, int64_t rows, int64_t columns) {
    const std::vector<int64_t> shape = {rows, columns};
    const auto& tensor = stored.require(name, checkpoints::TensorType::kF32, shape);
    return std::span(static_cast<const float*>(tensor.data),
                     static_cast<size_t>(tensor.num_elements()));
  };
  for (const Parameter& p : model.parameters()) {
    const std::string a = checkpoints::lora_a_name(p.name);
    if (!lora.adapts(p.name) || stored.find(a) == nullptr) continue;
    checkpoints::add_adapter({p.value.data_ptr<float>(), static_cast<size_t>(p.value.numel())},
                             values(a, lora.rank, p.shape.at(1)),
                             values(checkpoints::lora_b_name(p.name), p.shape[0], lora.rank), lora);
  }
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

// Fills a tensor, wherever it is, with the floats that `read` puts into host memory.
template <typename Read>
void fill(const at::Tensor& t, const Read& read) {
  const c10::NoGradGuard no_grad;
  if (t.is_cpu()) return read(t.data_ptr<float>());
  const at::Tensor host = at::empty(t.sizes(), at::kFloat);
  read(host.data_ptr<float>());
  t.detach().copy_(host);
}

}  // namespace

namespace {

template <typename Wanted>
std::vector<checkpoints::NamedTensor> tensors_of(const IdModel& model, const Wanted& is_wanted) {
  std::vector<checkpoints::NamedTensor> tensors;
  for (const Parameter& p : model.parameters()) {
    if (is_wanted(p)) tensors.push_back(named_tensor(p.name, p.value));
  }
  return tensors;
}

}  // namespace

std::vector<checkpoints::NamedTensor> parameters_as_tensors(const IdModel& model) {
  return tensors_of(model, [](const Parameter&) { return true; });
}
std::vector<checkpoints::NamedTensor> trained_as_tensors(const IdModel& model) {
  return tensors_of(model, [](const Parameter& p) { return p.trainable; });
}
std::vector<checkpoints::NamedTensor> frozen_as_tensors(const IdModel& model) {
  return tensors_of(model, [](const Parameter& p) { return !p.trainable; });
}

void load_parameters(IdModel& model, const checkpoints::ShardedTensors& stored) {
  for (Parameter& p : model.parameters()) {
    fill(p.value, [&](float* out) {
      stored.copy(p.name, checkpoints::TensorType::kF32, p.shape, 0, p.value.numel(), out);
    });
  }
}

namespace {

constexpr auto kFloat = checkpoints::TensorType::kF32;

// The state of the optimizer's tables of rows by the names that it is stored under; the same on all
// ranks.
std::vector<std::pair<std::string, at::Tensor>> row_state_of(const AdamW& optimizer) {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (const AdamW::RowState& state : optimizer.row_states()) {
    named.emplace_back("exp_avg." + state.parameter->name, state.moment1);
    named.emplace_back("exp_avg_sq." + state.parameter->name, state.moment2);
    named.emplace_back("steps." + state.parameter->name, state.num_steps);
  }
  return named;
}

// `part` of a tensor that is held whole.
checkpoints::TensorSlice slice_of(checkpoints::NamedTensor whole, const Range& part) {
  whole.data = static_cast<const float*>(whole.data) + part.first;
  return {.whole = std::move(whole), .first = part.first, .count = part.size()};
}

}  // namespace

std::vector<checkpoints::TensorSlice> optimizer_as_slices(const AdamW& optimizer, int rank,
                                                          int num_ranks) {
  std::vector<checkpoints::TensorSlice> slices;
  const auto add_part_of = [&](const checkpoints::NamedTensor& whole) {
    const Range part = owned_range(whole.num_elements(), 1, rank, num_ranks);
    if (part.size() > 0) slices.push_back(slice_of(whole, part));
  };
  const int64_t n = optimizer.num_flat();
  for (const auto& [name, moment] :
       {std::pair("exp_avg", optimizer.moment1()), std::pair("exp_avg_sq", optimizer.moment2())}) {
    checkpoints::NamedTensor whole = named_tensor(name, moment);
    if (moment.numel() == n) {
      add_part_of(whole);
      continue;
    }
    whole.shape = {n};
    for (const Range& part : optimizer.owned()) {
      slices.push_back({.whole = whole, .first = part.first, .count = part.size()});
      whole.data = static_cast<const float*>(whole.data) + part.size();
    }
  }
  for (const auto& [name, t] : row_state_of(optimizer)) add_part_of(named_tensor(name, t));
  return slices;
}

std::vector<checkpoints::NamedTensor> optimizer_as_tensors(const AdamW& optimizer) {
  TUTTI_CHECK(optimizer.moment1().numel() == optimizer.num_flat(), "it owns a part only");
  std::vector<checkpoints::NamedTensor> tensors = {named_tensor("exp_avg", optimizer.moment1()),
                                                   named_tensor("exp_avg_sq", optimizer.moment2())};
  for (const auto& [name, t] : row_state_of(optimizer)) tensors.push_back(named_tensor(name, t));
  return tensors;
}

void load_optimizer(AdamW& optimizer, const checkpoints::ShardedTensors& stored,
                    int64_t num_steps) {
  const std::vector<int64_t> flat = {optimizer.num_flat()};
  for (const auto& [name, moment] :
       {std::pair("exp_avg", optimizer.moment1()), std::pair("exp_avg_sq", optimizer.moment2())}) {
    fill(moment, [&, &name = name](float* out) {
      for (const Range& part : optimizer.owned()) {
        stored.copy(name, kFloat, flat, part.first, part.size(), out);
        out += part.size();
      }
    });
  }
  for (const auto& [name, t] : row_state_of(optimizer)) {
    fill(t, [&, &name = name, &t = t](float* out) {
      stored.copy(name, kFloat, t.sizes().vec(), 0, t.numel(), out);
    });
  }
  optimizer.set_num_steps(num_steps);
}

}  // namespace tutti::trainer
