#include "checkpoints/import/bert_config_json.h"

#include "checkpoints/json_fields.h"

namespace tutti::checkpoints {

BertConfig read_hf_bert_config(const std::filesystem::path& path) {
  const JsonFields config = JsonFields::read(
      path, "the config of a BertModel", "give a folder that transformers' save_pretrained wrote");
  if (config.at("model_type", "\"bert\"") != "bert") config.fail("model_type", "\"bert\"");
  if (config.find("quantization_config") != nullptr) {
    config.fail("quantization_config", "no quantization", "give the model in fp32");
  }
  config.require("hidden_act", "gelu");
  config.require("position_embedding_type", "absolute");
  config.require("is_decoder", false);
  config.require("add_cross_attention", false);
  BertConfig bert;
  bert.vocab_size = config.size("vocab_size");
  bert.hidden_size = config.size("hidden_size");
  bert.intermediate_size = config.size("intermediate_size");
  bert.num_hidden_layers = config.size("num_hidden_layers");
  bert.num_attention_heads = config.size("num_attention_heads");
  bert.max_position_embeddings = config.size("max_position_embeddings", 512);
  bert.type_vocab_size = config.size("type_vocab_size", 2);
  bert.layer_norm_eps = config.number("layer_norm_eps", 1e-12);
  if (bert.hidden_size % bert.num_attention_heads != 0) {
    config.fail("num_attention_heads", "a divisor of hidden_size");
  }
  return bert;
}

}  // namespace tutti::checkpoints
