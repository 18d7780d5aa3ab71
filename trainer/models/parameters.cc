#include "trainer/models/parameters.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "checkpoints/lora.h"
#include "dist/runtime/errors.h"
#include "trainer/models/adapters.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kAlignment = 16;  // elements: a cache line of fp32

int64_t num_elements(const Parameter& p) {
  return std::accumulate(p.shape.begin(), p.shape.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace

void ParameterStore::declare(const std::string& name, std::vector<int64_t> shape, bool decay,
                             bool trainable) {
  parameters_.push_back({.name = name,
                         .shape = std::move(shape),
                         .value = {},
                         .decay = decay,
                         .trainable = trainable});
}

void ParameterStore::declare_rows(const std::string& name, std::vector<int64_t> shape,
                                  bool trainable) {
  TUTTI_CHECK(shape.size() == 2, name);
  declare(name, std::move(shape), /*decay=*/true, trainable);
  if (!trainable) return;
  Parameter& p = parameters_.back();
  p.rows = std::make_shared<RowGradient>(p.shape[0], p.shape[1]);
}

void ParameterStore::zero_gradients() {
  flat_grads_.zero_();
  for (const Parameter& p : parameters_) {
    if (p.rows) p.rows->clear();
  }
}

void ParameterStore::place_together(std::vector<std::string> names) {
  groups_.push_back(std::move(names));
}

void ParameterStore::adapt(const checkpoints::LoraConfig& lora, const std::string& name_begin) {
  adapter_scale_ = lora.scale();
  const std::vector<Parameter> declared = parameters_;
  for (const Parameter& p : declared) {
    if (!p.name.starts_with(name_begin) || !lora.adapts(p.name)) continue;
    TUTTI_CHECK(p.shape.size() == 2 && !p.trainable, p.name);
    declare(checkpoints::lora_a_name(p.name), {lora.rank, p.shape[1]});
    declare(checkpoints::lora_b_name(p.name), {p.shape[0], lora.rank});
  }
  const std::vector<std::vector<std::string>> groups = groups_;
  for (const std::vector<std::string>& group : groups) {
    std::vector<std::string> together;
    for (const std::string& name : group) {
      if (contains(checkpoints::lora_a_name(name))) {
        together.push_back(checkpoints::lora_a_name(name));
      }
    }
    if (!together.empty()) place_together(std::move(together));
  }
}

bool ParameterStore::contains(const std::string& name) const {
  return std::ranges::find(parameters_, name, &Parameter::name) != parameters_.end();
}

size_t ParameterStore::index_of(const std::string& name) const {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].name == name) return i;
  }
  fail_check("the parameter is declared", name);
}

int64_t ParameterStore::lay_out(bool trainable, bool decay, int64_t first) {
  std::vector<bool> is_placed(parameters_.size(), false);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto is_alike = [&](const Parameter& p) {
      return p.trainable == trainable && p.decay == decay && !p.rows;
    };
    if (is_placed[i] || !is_alike(parameters_[i])) continue;
    const auto group = std::find_if(groups_.begin(), groups_.end(), [&](const auto& names) {
      return names.front() == parameters_[i].name;
    });
    const std::vector<std::string> members =
        group == groups_.end() ? std::vector{parameters_[i].name} : *group;
    for (const std::string& name : members) {
      const size_t member = index_of(name);
      TUTTI_CHECK(is_alike(parameters_[member]) && !is_placed[member], name);
      is_placed[member] = true;
      offsets_[member] = first;
      first += num_elements(parameters_[member]);
    }
    first = (first + kAlignment - 1) / kAlignment * kAlignment;
  }
  return first;
}

void ParameterStore::allocate() {
  TUTTI_CHECK(!flat_values_.defined());
  offsets_.resize(parameters_.size());
  num_decay_elements_ = lay_out(/*trainable=*/true, /*decay=*/true, 0);
  const int64_t total = lay_out(/*trainable=*/true, /*decay=*/false, num_decay_elements_);
  const int64_t frozen = lay_out(/*trainable=*/false, /*decay=*/false,
                                 lay_out(/*trainable=*/false, /*decay=*/true, 0));
  flat_values_ = at::zeros({total}, at::kFloat);
  flat_grads_ = at::zeros({total}, at::kFloat);
  frozen_values_ = at::zeros({frozen}, at::kFloat);
  for (Parameter& p : parameters_) {
    if (p.rows) p.value = at::zeros(p.shape, at::kFloat);
    if (p.trainable) num_parameters_ += num_elements(p);
  }
  make_views();
}

void ParameterStore::make_views() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = parameters_[i];
    const int64_t count = num_elements(p);
    if (p.rows) {
      p.value.set_requires_grad(true);
      p.value.mutable_grad() = p.rows->dense();
      continue;
    }
    const at::Tensor& values = p.trainable ? flat_values_ : frozen_values_;
    p.value = values.narrow(0, offsets_[i], count).view(p.shape).detach();
    if (!p.trainable) continue;
    p.value.set_requires_grad(true);
    p.value.mutable_grad() = flat_grads_.narrow(0, offsets_[i], count).view(p.shape);
  }
}

void ParameterStore::move_to(at::Device device) {
  TUTTI_CHECK(!flat_rounded_.defined(), "weights are rounded where they are used");
  for (at::Tensor* flat : {&flat_values_, &flat_grads_, &frozen_values_}) *flat = flat->to(device);
  for (Parameter& p : parameters_) {
    if (!p.rows) continue;
    p.value = p.value.detach().to(device);
    p.rows->move_to(device);
  }
  make_views();
}

void ParameterStore::round_weights() {
  if (!flat_rounded_.defined()) {
    flat_rounded_ = at::empty(flat_values_.sizes(), flat_values_.options().dtype(at::kBFloat16));
    frozen_rounded_ = at::empty(frozen_values_.sizes(), flat_rounded_.options());
  }
  flat_rounded_.copy_(flat_values_);
  frozen_rounded_.copy_(frozen_values_);
}

Weight ParameterStore::weight(const std::vector<std::string>& names) const {
  const size_t first = index_of(names.front());
  const Parameter& p = parameters_[first];
  TUTTI_CHECK(p.shape.size() == 2, p.name);
  Weight weight;
  if (p.rows) {
    TUTTI_CHECK(names.size() == 1, p.name);
    weight.leaves = {p.value};
    weight.compute = p.value.detach();
    weight.rows = p.rows;
    return weight;
  }
  int64_t end = offsets_[first];
  for (const std::string& name : names) {
    const size_t member = index_of(name);
    const Parameter& own = parameters_[member];
    TUTTI_CHECK(
        own.shape.at(1) == p.shape[1] && own.trainable == p.trainable && offsets_[member] == end,
        name);
    weight.leaves.push_back(own.value);
    end += num_elements(own);
  }
  const auto matrix = [&](const at::Tensor& flat) {
    return flat.narrow(0, offsets_[first], end - offsets_[first]).view({-1, p.shape[1]});
  };
  weight.compute = flat_rounded_.defined() ? matrix(p.trainable ? flat_rounded_ : frozen_rounded_)
                                           : matrix(p.trainable ? flat_values_ : frozen_values_);
  if (p.trainable) weight.grad = matrix(flat_grads_);
  weight.adapters = adapters_of(names);
  return weight;
}

std::shared_ptr<const Adapters> ParameterStore::adapters_of(
    const std::vector<std::string>& names) const {
  const auto adapters = std::make_shared<Adapters>();
  std::vector<std::string> together;
  int64_t row = 0;
  for (const std::string& name : names) {
    if (contains(checkpoints::lora_a_name(name))) {
      together.push_back(checkpoints::lora_a_name(name));
      adapters->blocks.push_back({row, weight({checkpoints::lora_b_name(name)})});
    }
    row += parameters_[index_of(name)].shape[0];
  }
  if (together.empty()) return nullptr;
  adapters->a = weight(together);
  adapters->scale = adapter_scale_;
  return adapters;
}

Parameter* ParameterStore::find(const std::string& name) {
  for (Parameter& p : parameters_) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

at::Tensor ParameterStore::value(const std::string& name) const {
  return parameters_[index_of(name)].value;
}

}  // namespace tutti::trainer
