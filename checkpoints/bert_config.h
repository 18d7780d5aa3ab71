#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace tutti::checkpoints {

// The shape of a BERT encoder (Devlin et al. 2019): learned positions, LayerNorm behind each layer,
// exact GELU (erf), biases everywhere. Field names follow the HF config.
struct BertConfig {
  int64_t vocab_size = 0;  // rows of `embeddings.word_embeddings.weight`
  int64_t hidden_size = 384;
  int64_t intermediate_size = 1536;
  int64_t num_hidden_layers = 6;
  int64_t num_attention_heads = 12;       // divides hidden_size
  int64_t max_position_embeddings = 512;  // the longest text, [CLS] and [SEP] included
  int64_t type_vocab_size = 2;            // a title is all type 0
  double layer_norm_eps = 1e-12;

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
};

nlohmann::json to_json(const BertConfig& config);  // {"arch": "bert", ...}
// DataError naming the missing or wrong field; `origin`: the file that the document was read from.
BertConfig bert_config_from_json(const nlohmann::json& json, const std::string& origin = "");

}  // namespace tutti::checkpoints
