#include "tests/support/bert_case.h"

#include <cstring>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "dist/runtime/errors.h"
#include "trainer/models/bert_encoder.h"

namespace tutti {

using checkpoints::NamedTensor;
using checkpoints::SafetensorsFile;
using checkpoints::TensorType;

namespace {

// A tensor over the mapped file.
at::Tensor view_of(const SafetensorsFile& file, const std::string& name) {
  const NamedTensor* tensor = file.find(name);
  TUTTI_CHECK(tensor != nullptr, "a case has " + name);
  return at::from_blob(const_cast<void*>(tensor->data), tensor->shape,
                       tensor->type == TensorType::kI64 ? at::kLong : at::kFloat);
}

}  // namespace

std::map<std::string, double> relative_errors_of_bert_case(const std::filesystem::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const auto config =
      checkpoints::bert_config_from_json(nlohmann::json::parse(file.metadata().at("config")));
  trainer::ParameterStore store;
  trainer::BertEncoder bert(config, store, /*trainable=*/true, /*words_as_rows=*/true);
  store.allocate();
  bert.bind(store);
  for (trainer::Parameter& p : store.all()) {
    const NamedTensor& stored =
        file.require("w." + p.name.substr(std::strlen("bert.")), TensorType::kF32, p.shape);
    std::memcpy(p.value.data_ptr<float>(), stored.data, static_cast<size_t>(stored.num_bytes()));
  }

  std::map<std::string, double> errors;
  const auto compare = [&](const std::string& name, const at::Tensor& ours,
                           const std::string& theirs) {
    const at::Tensor reference = view_of(file, theirs).to(at::kDouble);
    const double size = reference.norm().item<double>();
    const at::Tensor difference = ours.detach().to(at::kDouble) - reference;
    // A gradient that is exactly zero (token types that no title has) is compared as it is.
    errors[name] = difference.norm().item<double>() / (size > 0 ? size : 1.0);
  };
  const trainer::TitleInputs titles = {.tokens = view_of(file, "title_tokens"),
                                       .lengths = view_of(file, "title_lengths")};
  const at::Tensor states =
      bert.encode(trainer::title_rows(titles), titles.lengths, /*checkpoint_activations=*/false);
  compare("states", states, "states");
  (states * view_of(file, "slope")).sum().backward();
  for (const trainer::Parameter& p : store.all()) {
    compare(p.name, p.value.grad(), "g." + p.name.substr(std::strlen("bert.")));
  }
  return errors;
}

}  // namespace tutti
