#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace tutti::checkpoints {

struct NamedTensor;

// Low-rank adapters (LoRA, Hu et al. 2021): a frozen matrix W [out, in] acts as W + scale * B A,
// with A [rank, in] and B [out, rank] trained. B starts at zero: a new adapter changes nothing. The
// tensors beside "layer.weight" are "layer.lora_A.weight" and "layer.lora_B.weight", as peft names
// them.
struct LoraConfig {
  int64_t rank = 8;
  double alpha = 16;
  std::vector<std::string> targets;  // layers by the ends of their names ("q_proj"); not empty

  double scale() const { return alpha / static_cast<double>(rank); }
  bool adapts(const std::string& weight) const;  // a matrix's name, "….q_proj.weight"
};

nlohmann::json to_json(const LoraConfig& config);
// DataError naming the field that is missing or wrong.
LoraConfig lora_config_from_json(const nlohmann::json& json, const std::string& origin);

std::string lora_a_name(const std::string& weight);
std::string lora_b_name(const std::string& weight);
bool is_adapter(const std::string& name);  // of an A or a B

// W += scale * B A, summed over the rank in fp32, first to last. w [out, in], a [rank, in], b [out,
// rank].
void add_adapter(std::span<float> w, std::span<const float> a, std::span<const float> b,
                 const LoraConfig& config);

// The tensors of a model without its adapters: matrices that have one are copies with it added.
// DataError naming an adapter that lacks its other half or its matrix, that has another shape, or
// that is there without a config.
std::vector<NamedTensor> with_adapters_merged(const std::vector<NamedTensor>& stored,
                                              const std::optional<LoraConfig>& config,
                                              const std::string& origin);

}  // namespace tutti::checkpoints
