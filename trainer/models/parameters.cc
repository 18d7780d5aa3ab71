#include "trainer/models/parameters.h"

#include <functional>
#include <numeric>
#include <utility>

#include <ATen/ops/zeros.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kAlignment = 16;  // elements: a cache line of fp32

int64_t num_elements(const Parameter& p) {
  return std::accumulate(p.shape.begin(), p.shape.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace

void ParameterStore::declare(const std::string& name, std::vector<int64_t> shape, bool decay,
                             bool trainable) {
  parameters_.push_back({name, std::move(shape), {}, decay, trainable});
}

void ParameterStore::allocate() {
  TUTTI_CHECK(!flat_values_.defined());
  std::vector<int64_t> offsets(parameters_.size());
  int64_t total = 0;
  for (const bool decay : {true, false}) {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (!parameters_[i].trainable || parameters_[i].decay != decay) continue;
      const int64_t count = num_elements(parameters_[i]);
      offsets[i] = total;
      num_parameters_ += count;
      total += (count + kAlignment - 1) / kAlignment * kAlignment;
    }
    if (decay) num_decay_elements_ = total;
  }
  flat_values_ = at::zeros({total}, at::kFloat);
  flat_grads_ = at::zeros({total}, at::kFloat);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = parameters_[i];
    if (!p.trainable) {
      p.value = at::zeros(p.shape, at::kFloat);
      continue;
    }
    p.value = flat_values_.narrow(0, offsets[i], num_elements(p)).view(p.shape).detach();
    p.value.set_requires_grad(true);
    p.value.mutable_grad() = flat_grads_.narrow(0, offsets[i], num_elements(p)).view(p.shape);
  }
}

Parameter* ParameterStore::find(const std::string& name) {
  for (Parameter& p : parameters_) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

at::Tensor ParameterStore::value(const std::string& name) const {
  for (const Parameter& p : parameters_) {
    if (p.name == name) return p.value;
  }
  fail_check("the parameter is declared", name);
}

}  // namespace tutti::trainer
