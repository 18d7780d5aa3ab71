#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoints/lora.h"
#include "checkpoints/t5_tensors.h"
#include "launch/options.h"

namespace tutti::launch {

// Low-rank adapters over a base that stays as it is.
struct LoraArgs {
  int64_t rank = 0;  // 0: none
  double alpha = 16;
  std::string targets = "all";
};

void declare(Options& options, LoraArgs& a);
void check(const LoraArgs& a);  // UsageError naming the option

// The adapters of a base with these tensors; nothing without a rank. UsageError when a target is
// none of its linear layers.
std::optional<checkpoints::LoraConfig> lora_over(
    const LoraArgs& a, const std::vector<checkpoints::TensorShape>& tensors);

}  // namespace tutti::launch
