#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "checkpoints/lora.h"

namespace tutti::checkpoints {

// Decoder-only language models of one form: RMS norm before each layer, rotary positions, grouped
// queries, SwiGLU. The families differ in small things, which are fields of LlamaConfig; the family
// itself only names the class of transformers.
enum class LlamaFamily {
  kLlama,  // LlamaForCausalLM: Llama 2 and 3, SmolLM2, TinyLlama
  kQwen2,  // Qwen2ForCausalLM: 1.5 to 2.5; biases on q, k, v
  kQwen3,  // Qwen3ForCausalLM: RMS norms on the heads of q and k; head_dim of its own
};
const char* name_of(LlamaFamily family);  // "llama", "qwen2", "qwen3": HF's model_type

// Llama 3.1's stretched rotary positions (rope_type "llama3").
struct RopeScaling {
  double factor = 8;
  double low_freq_factor = 1, high_freq_factor = 4;
  int64_t original_max_position_embeddings = 8192;
};

// Field names follow the HF config where that has the field.
struct LlamaConfig {
  LlamaFamily family = LlamaFamily::kLlama;
  int64_t text_rows = 0;  // rows of `model.embed_tokens.weight` in the base: HF's vocab_size
  int64_t id_tokens = 0;  // rows of `lm_head.id.weight`
  // The last so many ID tokens end every ID that has them and are never read: under an untied head
  // `id_embedding.weight` has no rows for them.
  int64_t unread_ids = 0;
  int64_t hidden_size = 128;
  int64_t intermediate_size = 384;
  int64_t num_hidden_layers = 2;
  int64_t num_attention_heads = 4;
  int64_t num_key_value_heads = 4;  // divides num_attention_heads
  int64_t head_dim = 32;            // even; heads * head_dim need not be hidden_size
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  std::optional<RopeScaling> rope_scaling;
  bool qkv_bias = false;  // q_proj, k_proj, v_proj have biases (Qwen2)
  bool qk_norm = false;   // q_norm, k_norm [head_dim] before the rotation (Qwen3)
  bool tie_word_embeddings = true;
  // An untied head has parameters for text too (`lm_head.text.weight`). Only the full softmax
  // touches them.
  bool text_head = false;
  std::optional<LoraConfig> lora = {};  // adapters on the base's matrices, which stay as they are

  int64_t query_dim() const { return num_attention_heads * head_dim; }
  int64_t key_value_dim() const { return num_key_value_heads * head_dim; }
  int64_t read_ids() const { return tie_word_embeddings ? id_tokens : id_tokens - unread_ids; }
  int64_t vocab_size() const { return text_rows + id_tokens; }
};

nlohmann::json to_json(const LlamaConfig& config);  // {"arch": "llama", ...}
// DataError naming the missing or wrong field; `origin`: the file that the document was read from.
LlamaConfig llama_config_from_json(const nlohmann::json& json, const std::string& origin = "");

// Angles a position adds: [head_dim / 2], theta^(-2i / head_dim), stretched as rope_scaling says.
// Entry i turns elements i and i + head_dim / 2 of a head (HF's order, "rotate half").
std::vector<double> rope_inverse_frequencies(const LlamaConfig& config);

}  // namespace tutti::checkpoints
