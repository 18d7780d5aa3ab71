#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "checkpoints/bert_config.h"
#include "checkpoints/lora.h"

namespace tutti::checkpoints {

// The layers between the attentions of a T5 block.
enum class FeedForwardForm {
  kRelu,       // wo relu(wi x): v1.0
  kGatedGelu,  // wo (gelu(wi_0 x) * wi_1 x), GELU in its tanh form: v1.1 and Flan
};

// The shape of a T5 encoder-decoder (Raffel et al. 2020), v1.1 / Flan form by default, as
// state.json has it. Field names follow the HF config where that has the field.
struct T5Config {
  int64_t text_rows = 0;  // rows of `shared.weight`: the text vocabulary
  int64_t id_tokens = 0;  // rows of `lm_head.id.weight`
  // The last so many ID tokens end every ID that has them and are never read: under an untied head
  // `id_embedding.weight` has no rows for them.
  int64_t unread_ids = 0;
  int64_t d_model = 128;
  int64_t d_kv = 32;  // per head; num_heads * d_kv need not be d_model
  int64_t num_heads = 4;
  int64_t d_ff = 384;
  int64_t num_layers = 2;  // encoder
  int64_t num_decoder_layers = 2;
  int64_t relative_attention_num_buckets = 32;
  int64_t relative_attention_max_distance = 128;
  double layer_norm_epsilon = 1e-6;
  FeedForwardForm feed_forward = FeedForwardForm::kGatedGelu;
  // v1.0: the head is the embedding, and what it reads is scaled by d_model^-0.5.
  bool tie_word_embeddings = false;
  bool scale_decoder_outputs = false;
  // An untied head has parameters for text too (`lm_head.text.weight`). Only the full softmax
  // touches them.
  bool text_head = false;
  // BERT's encoder in place of T5's own: titles are its vocabulary's, cross-attention reads its
  // width, num_layers means nothing, and the one text row is what the decoder starts from.
  std::optional<BertConfig> encoder = {};
  // Adapters on matrices of the base, which stays as it is: of `encoder` where there is one.
  std::optional<LoraConfig> lora = {};

  int64_t inner_dim() const { return num_heads * d_kv; }
  int64_t encoder_width() const { return encoder ? encoder->hidden_size : d_model; }
  int64_t read_ids() const { return tie_word_embeddings ? id_tokens : id_tokens - unread_ids; }
  int64_t vocab_size() const { return text_rows + id_tokens; }
};

nlohmann::json to_json(const T5Config& config);  // {"arch": "t5", ...}
// DataError naming the missing or wrong field; `origin`: the file that the document was read from.
T5Config t5_config_from_json(const nlohmann::json& json, const std::string& origin = "");

// "relu" and "gated-gelu", as HF's feed_forward_proj.
const char* name_of(FeedForwardForm form);

}  // namespace tutti::checkpoints
