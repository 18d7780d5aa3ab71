#include "checkpoints/lora.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "checkpoints/json_fields.h"
#include "checkpoints/safetensors.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {
namespace {

constexpr std::string_view kWeight = ".weight", kA = ".lora_A.weight", kB = ".lora_B.weight";

std::string layer_of(const std::string& weight) {
  return weight.substr(0, weight.size() - kWeight.size());
}

std::span<const float> values_of(const NamedTensor& tensor) {
  return {static_cast<const float*>(tensor.data), static_cast<size_t>(tensor.num_elements())};
}

}  // namespace

bool LoraConfig::adapts(const std::string& weight) const {
  if (!weight.ends_with(kWeight) || is_adapter(weight)) return false;
  const std::string layer = layer_of(weight);
  return std::ranges::any_of(targets, [&](const std::string& target) {
    return layer == target || layer.ends_with('.' + target);
  });
}

nlohmann::json to_json(const LoraConfig& config) {
  return {{"rank", config.rank}, {"alpha", config.alpha}, {"targets", config.targets}};
}

LoraConfig lora_config_from_json(const nlohmann::json& json, const std::string& origin) {
  const JsonFields fields(json, origin, "model config, lora, ");
  constexpr const char* kNames = "a list of names of layers";
  const nlohmann::json& targets = fields.at("targets", kNames);
  const bool are_names =
      targets.is_array() && !targets.empty() &&
      std::ranges::all_of(targets, [](const nlohmann::json& t) { return t.is_string(); });
  if (!are_names) fields.fail("targets", kNames);
  return {.rank = fields.size("rank"),
          .alpha = fields.number("alpha"),
          .targets = targets.get<std::vector<std::string>>()};
}

std::string lora_a_name(const std::string& weight) {
  return layer_of(weight) + std::string(kA);
}
std::string lora_b_name(const std::string& weight) {
  return layer_of(weight) + std::string(kB);
}
bool is_adapter(const std::string& name) {
  return name.ends_with(kA) || name.ends_with(kB);
}

void add_adapter(std::span<float> w, std::span<const float> a, std::span<const float> b,
                 const LoraConfig& config) {
  const auto rank = static_cast<size_t>(config.rank);
  const size_t in = a.size() / rank, out = b.size() / rank;
  const auto scale = static_cast<float>(config.scale());
  std::vector<float> sum(in);
  for (size_t o = 0; o < out; ++o) {
    std::ranges::fill(sum, 0.0F);
    for (size_t r = 0; r < rank; ++r) {
      const float factor = b[o * rank + r];
      for (size_t i = 0; i < in; ++i) sum[i] += factor * a[r * in + i];
    }
    for (size_t i = 0; i < in; ++i) w[o * in + i] += scale * sum[i];
  }
}

std::vector<NamedTensor> with_adapters_merged(const std::vector<NamedTensor>& stored,
                                              const std::optional<LoraConfig>& config,
                                              const std::string& origin) {
  std::map<std::string, const NamedTensor*> adapters;
  std::vector<NamedTensor> tensors;
  for (const NamedTensor& tensor : stored) {
    if (is_adapter(tensor.name)) {
      adapters.emplace(tensor.name, &tensor);
    } else {
      tensors.push_back(tensor);
    }
  }
  const auto fail = [&origin](const std::string& name, const std::string& found,
                              const std::string& expected) {
    throw DataError(Problem{.file = origin,
                            .place = "tensor '" + name + "'",
                            .found = found,
                            .expected = expected,
                            .cure = {}});
  };
  const auto take = [&](const std::string& name, const std::vector<int64_t>& shape) {
    const auto found = adapters.find(name);
    const std::string expected =
        fmt::format("F32 [{}], as the config's rank and its matrix say", fmt::join(shape, ", "));
    if (found == adapters.end()) fail(name, "no such tensor", expected);
    const NamedTensor& tensor = *found->second;
    if (tensor.type != TensorType::kF32 || tensor.shape != shape) {
      fail(name,
           fmt::format("{} [{}]", checkpoints::name_of(tensor.type), fmt::join(tensor.shape, ", ")),
           expected);
    }
    adapters.erase(found);
    return values_of(tensor);
  };
  for (NamedTensor& tensor : tensors) {
    if (!config || !config->adapts(tensor.name)) continue;
    if (tensor.type != TensorType::kF32 || tensor.shape.size() != 2) {
      fail(tensor.name, "a tensor that is no matrix in fp32", "a matrix that an adapter changes");
    }
    const std::span<const float> base = values_of(tensor);
    auto sum = std::make_shared<std::vector<float>>(base.begin(), base.end());
    const auto a = take(lora_a_name(tensor.name), {config->rank, tensor.shape[1]});
    const auto b = take(lora_b_name(tensor.name), {tensor.shape[0], config->rank});
    add_adapter(*sum, a, b, *config);
    tensor.data = sum->data();
    tensor.owner = std::move(sum);
  }
  if (!adapters.empty()) {
    fail(
        adapters.begin()->first, "an adapter",
        config ? "adapters of the targets in state.json" : "none: state.json says nothing of them");
  }
  return tensors;
}

}  // namespace tutti::checkpoints
