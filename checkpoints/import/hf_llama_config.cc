#include <algorithm>
#include <array>

#include "checkpoints/import/llama_parts.h"
#include "checkpoints/json_fields.h"

namespace tutti::checkpoints {
namespace {

using nlohmann::json;

struct KnownFamily {
  LlamaFamily family;
  const char* type;
  const char* architecture;
};
constexpr std::array kKnown = {KnownFamily{LlamaFamily::kLlama, "llama", "LlamaForCausalLM"},
                               KnownFamily{LlamaFamily::kQwen2, "qwen2", "Qwen2ForCausalLM"},
                               KnownFamily{LlamaFamily::kQwen3, "qwen3", "Qwen3ForCausalLM"}};

const KnownFamily& family_of(const JsonFields& config) {
  const json* type = config.find("model_type");
  const auto* known = std::find_if(kKnown.begin(), kKnown.end(), [&](const KnownFamily& f) {
    return type != nullptr && *type == f.type;
  });
  if (known == kKnown.end()) config.fail("model_type", "\"llama\", \"qwen2\" or \"qwen3\"");
  config.require("architectures", json::array({known->architecture}));
  return *known;
}

// Fields that would make another model of it.
void require_plain(const JsonFields& config) {
  if (config.find("quantization_config") != nullptr) {
    config.fail("quantization_config", "no quantization", "give the model in fp32 or bf16");
  }
  config.require("hidden_act", "silu");
  config.require("attention_bias", false);
  config.require("mlp_bias", false);
  config.require("use_sliding_window", false);
  config.require("partial_rotary_factor", 1.0);
  if (const json* types = config.find("layer_types")) {
    const bool all_full = types->is_array() && std::ranges::all_of(*types, [](const json& type) {
                            return type == "full_attention";
                          });
    if (!all_full) config.fail("layer_types", "full_attention in all layers");
  }
}

// transformers 4 keeps rope_theta beside rope_scaling, transformers 5 both in rope_parameters.
void read_rope(const JsonFields& config, LlamaConfig& llama) {
  constexpr double kTheta = 10000;
  llama.rope_theta = config.number("rope_theta", kTheta);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const json* object = config.find(name);
    if (object == nullptr) continue;
    if (!object->is_object()) config.fail(name, "an object");
    const JsonFields rope(*object, config.origin(), std::string(name) + ", ");
    llama.rope_theta = rope.number("rope_theta", llama.rope_theta);
    const std::string type = rope.text("rope_type", rope.text("type", "default"));
    if (type == "default") continue;
    if (type != "llama3") rope.fail("rope_type", "default or llama3");
    RopeScaling scaling;
    scaling.factor = rope.number("factor");
    scaling.low_freq_factor = rope.number("low_freq_factor");
    scaling.high_freq_factor = rope.number("high_freq_factor");
    scaling.original_max_position_embeddings = rope.size("original_max_position_embeddings");
    if (scaling.high_freq_factor <= scaling.low_freq_factor) {
      rope.fail("high_freq_factor", "more than low_freq_factor");
    }
    llama.rope_scaling = scaling;
  }
}

}  // namespace

LlamaConfig read_hf_llama_config(const std::filesystem::path& path) {
  const JsonFields config =
      JsonFields::read(path, "the config of a LlamaForCausalLM",
                       "give a folder that transformers' save_pretrained wrote");
  LlamaConfig llama;
  llama.family = family_of(config).family;
  const bool is_llama = llama.family == LlamaFamily::kLlama;
  require_plain(config);
  llama.text_rows = config.size("vocab_size");
  llama.hidden_size = config.size("hidden_size");
  llama.intermediate_size = config.size("intermediate_size");
  llama.num_hidden_layers = config.size("num_hidden_layers");
  llama.num_attention_heads = config.size("num_attention_heads");
  llama.num_key_value_heads =
      config.size("num_key_value_heads", is_llama ? llama.num_attention_heads : 32);
  if (llama.num_attention_heads % llama.num_key_value_heads != 0) {
    config.fail("num_key_value_heads", "a divisor of num_attention_heads");
  }
  if (llama.family == LlamaFamily::kQwen3) {
    llama.head_dim = config.size("head_dim", 128);
  } else if (config.find("head_dim") != nullptr) {
    llama.head_dim = config.size("head_dim");
  } else if (llama.hidden_size % llama.num_attention_heads != 0) {
    config.fail("num_attention_heads", "a divisor of hidden_size");
  } else {
    llama.head_dim = llama.hidden_size / llama.num_attention_heads;
  }
  if (llama.head_dim % 2 != 0) config.fail("head_dim", "an even number");
  llama.max_position_embeddings = config.size("max_position_embeddings", is_llama ? 2048 : 32768);
  llama.rms_norm_eps = config.number("rms_norm_eps", 1e-6);
  read_rope(config, llama);
  llama.qkv_bias = llama.family == LlamaFamily::kQwen2;
  llama.qk_norm = llama.family == LlamaFamily::kQwen3;
  llama.tie_word_embeddings = config.flag("tie_word_embeddings", false);
  llama.text_head = !llama.tie_word_embeddings;
  return llama;
}

}  // namespace tutti::checkpoints
