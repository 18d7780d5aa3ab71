#include "launch/train/lora_options.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "launch/option_checks.h"
#include "launch/train/model_options.h"

namespace tutti::launch {
namespace {

// "a,b" as a and b; what is between two commas may be empty.
std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items;
  for (size_t from = 0; from <= list.size();) {
    const size_t end = std::min(list.find(',', from), list.size());
    items.push_back(list.substr(from, end - from));
    from = end + 1;
  }
  return items;
}

// The last parts of the names of linear layers, each once: "q_proj" of "….self_attn.q_proj.weight".
std::vector<std::string> layers_among(const std::vector<checkpoints::TensorShape>& tensors) {
  std::vector<std::string> layers;
  for (const checkpoints::TensorShape& tensor : tensors) {
    const bool is_table = tensor.name.find("embeddings") != std::string::npos ||
                          tensor.name.find("relative_attention_bias") != std::string::npos;
    if (tensor.shape.size() != 2 || is_table) continue;
    const std::string layer = tensor.name.substr(0, tensor.name.rfind('.'));
    const std::string last = layer.substr(layer.rfind('.') + 1);
    if (std::ranges::find(layers, last) == layers.end()) layers.push_back(last);
  }
  return layers;
}

}  // namespace

void declare(Options& options, LoraArgs& a) {
  options
      .add("lora-rank", &a.rank,
           "train low-rank adapters on the layers of the --base or --encoder, which stays as it "
           "is, beside all that is new; 0: none")
      .add("lora-alpha", &a.alpha, "what adapters add counts alpha / rank")
      .add("lora-targets", &a.targets,
           "layers with an adapter: all, or names with commas between them (Llama, Qwen: q_proj, "
           "k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; T5: q, k, v, o, wi_0, wi_1, wo; "
           "BERT: query, key, value, dense)");
}

void check(const LoraArgs& a) {
  require_at_least("--lora-rank", a.rank, 0);
  if (!(a.alpha > 0)) refuse("--lora-alpha", fmt::format("{}", a.alpha), "more than 0");
  if (a.rank > 0) return;
  const LoraArgs unset;
  constexpr const char* kNone = "none without --lora-rank";
  if (a.targets != unset.targets) refuse("--lora-targets", a.targets, kNone);
  if (a.alpha != unset.alpha) refuse("--lora-alpha", fmt::format("{}", a.alpha), kNone);
}

std::optional<checkpoints::LoraConfig> lora_over(
    const LoraArgs& a, const std::vector<checkpoints::TensorShape>& tensors) {
  if (a.rank == 0) return std::nullopt;
  const std::vector<std::string> known = layers_among(tensors);
  const std::vector<std::string> asked = a.targets == "all" ? known : split(a.targets);
  for (const std::string& target : asked) {
    if (std::ranges::count(known, target) == 1 && std::ranges::count(asked, target) == 1) continue;
    refuse("--lora-targets", a.targets,
           fmt::format("all, or some of {}, each once", fmt::join(known, ", ")));
  }
  return checkpoints::LoraConfig{.rank = a.rank, .alpha = a.alpha, .targets = asked};
}

}  // namespace tutti::launch
