#include "trainer/models/t5.h"

#include <cmath>

#include <ATen/ops/linear.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "trainer/models/t5_weights.h"

namespace tutti::trainer {
namespace {

// The standard deviation that HF initialises a matrix with.
double initial_deviation(const std::string& name, const T5Config& c) {
  const auto power = [](int64_t n) { return std::pow(static_cast<double>(n), -0.5); };
  if (name == "shared.weight" || name == "id_embedding.weight") return 1.0;
  if (name.ends_with(".q.weight")) return power(c.d_model * c.d_kv);
  if (name.ends_with(".o.weight")) return power(c.inner_dim());
  if (name.ends_with(".wo.weight")) return power(c.d_ff);
  return power(c.d_model);
}

}  // namespace

TrainedPart trained_part_from_name(const std::string& name) {
  if (name == "all") return TrainedPart::kAll;
  if (name == "id-rows") return TrainedPart::kIdRows;
  if (name == "decoder") return TrainedPart::kDecoder;
  throw UsageError(Problem{.file = {},
                           .place = "--train",
                           .found = name,
                           .expected = "all, id-rows or decoder",
                           .cure = {}});
}

T5Model::T5Model(const T5Config& config, TrainedPart trained, TextRows text_rows)
    : weights_(std::make_unique<T5Weights>(config, trained, text_rows)) {}
T5Model::~T5Model() = default;
T5Model::T5Model(T5Model&&) noexcept = default;

const T5Config& T5Model::config() const {
  return weights_->config;
}
std::vector<Parameter>& T5Model::parameters() {
  return weights_->parameters.all();
}
const std::vector<Parameter>& T5Model::parameters() const {
  return weights_->parameters.all();
}
Parameter* T5Model::find(const std::string& name) {
  return weights_->parameters.find(name);
}
at::Tensor T5Model::flat_values() const {
  return weights_->parameters.flat_values();
}
at::Tensor T5Model::flat_grads() const {
  return weights_->parameters.flat_grads();
}
int64_t T5Model::num_decay_elements() const {
  return weights_->parameters.num_decay_elements();
}
void T5Model::zero_gradients() {
  weights_->parameters.zero_gradients();
}
int64_t T5Model::num_parameters() const {
  return weights_->parameters.num_parameters();
}

void T5Model::move_to(at::Device device) {
  if (device == this->device()) return;
  weights_->parameters.move_to(device);
  weights_->bind();
}
at::Device T5Model::device() const {
  return weights_->parameters.flat_values().device();
}

void T5Model::set_compute(const ComputeOptions& options) {
  const c10::NoGradGuard no_grad;
  TUTTI_CHECK(options.precision == Precision::kBf16 || !flat_rounded().defined(),
              "a model does not go back to fp32");
  weights_->compute = options;
  if (options.precision == Precision::kFp32) return;
  weights_->parameters.round_weights();
  weights_->bind();
}
void T5Model::round_weights() {
  if (flat_rounded().defined()) weights_->parameters.round_weights();
}
at::Tensor T5Model::flat_rounded() const {
  return weights_->parameters.flat_rounded();
}

void T5Model::initialize(uint64_t seed) {
  const c10::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters().size(); ++i) {
    Parameter& p = parameters()[i];
    if (p.name.ends_with("layer_norm.weight")) {
      p.value.fill_(1.0);
      continue;
    }
    const double deviation = initial_deviation(p.name, config());
    Rng rng(seed, Purpose::kModelInit, i);
    float* out = p.value.mutable_data_ptr<float>();
    for (int64_t k = 0; k < p.value.numel(); ++k) {
      out[k] = static_cast<float>(deviation * rng.normal());
    }
  }
}

at::Tensor T5Model::id_head() const {
  return weights_->id_head;
}
at::Tensor T5Model::text_head() const {
  TUTTI_CHECK(weights_->text_head.defined(), "the model has a head for text");
  return weights_->text_head;
}

at::Tensor T5Model::logits(const at::Tensor& hidden, int64_t first_token,
                           int64_t num_tokens) const {
  return at::linear(hidden, weights_->id_head.narrow(0, first_token, num_tokens));
}

}  // namespace tutti::trainer
