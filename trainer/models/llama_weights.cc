#include "trainer/models/llama_weights.h"

#include <string>

#include "checkpoints/llama_tensors.h"

namespace tutti::trainer {
namespace {

const std::string kText = "model.embed_tokens.weight";

bool is_trained(const std::string& name, const checkpoints::LlamaConfig& config, TrainedPart part) {
  if (name == "id_embedding.weight" || name == "lm_head.id.weight") return true;
  if (config.lora) return false;
  return part == TrainedPart::kAll || (part == TrainedPart::kDecoder && name != kText);
}

std::string layer_prefix(int64_t layer) {
  return "model.layers." + std::to_string(layer) + ".";
}
std::vector<std::string> qkv_names(const std::string& layer) {
  const std::string self = layer + "self_attn.";
  return {self + "q_proj.weight", self + "k_proj.weight", self + "v_proj.weight"};
}
std::vector<std::string> gate_up_names(const std::string& layer) {
  return {layer + "mlp.gate_proj.weight", layer + "mlp.up_proj.weight"};
}

LlamaLayer layer_of(const ParameterStore& store, const checkpoints::LlamaConfig& config,
                    const std::string& layer) {
  const std::string self = layer + "self_attn.";
  LlamaLayer out = {.qkv = store.weight(qkv_names(layer)),
                    .q_bias = {},
                    .k_bias = {},
                    .v_bias = {},
                    .q_norm = {},
                    .k_norm = {},
                    .o = store.weight({self + "o_proj.weight"}),
                    .gate_up = store.weight(gate_up_names(layer)),
                    .down = store.weight({layer + "mlp.down_proj.weight"}),
                    .attention_norm = store.value(layer + "input_layernorm.weight"),
                    .inner_norm = store.value(layer + "post_attention_layernorm.weight")};
  if (config.qkv_bias) {
    out.q_bias = store.value(self + "q_proj.bias");
    out.k_bias = store.value(self + "k_proj.bias");
    out.v_bias = store.value(self + "v_proj.bias");
  }
  if (config.qk_norm) {
    out.q_norm = store.value(self + "q_norm.weight");
    out.k_norm = store.value(self + "k_norm.weight");
  }
  return out;
}

}  // namespace

LlamaWeights::LlamaWeights(const checkpoints::LlamaConfig& shape, TrainedPart trained,
                           TextRows text_rows)
    : config(shape), dense_text(text_rows == TextRows::kDense) {
  const auto declare = [&](const std::string& name, std::vector<int64_t> size) {
    const bool is_matrix = size.size() > 1;  // biases and norms do not decay
    parameters.declare(name, std::move(size), is_matrix, is_trained(name, config, trained));
  };
  if (dense_text) {
    declare(kText, {config.text_rows, config.hidden_size});
  } else {
    parameters.declare_rows(kText, {config.text_rows, config.hidden_size},
                            is_trained(kText, config, trained));
  }
  declare("id_embedding.weight", {config.read_ids(), config.hidden_size});
  for (const checkpoints::TensorShape& tensor : checkpoints::llama_block_tensors(config)) {
    declare(tensor.name, tensor.shape);
  }
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    parameters.place_together(qkv_names(layer_prefix(i)));
    parameters.place_together(gate_up_names(layer_prefix(i)));
  }
  if (!config.tie_word_embeddings) {
    if (config.text_head) declare("lm_head.text.weight", {config.text_rows, config.hidden_size});
    declare("lm_head.id.weight", {config.id_tokens, config.hidden_size});
  }
  if (config.lora) parameters.adapt(*config.lora);
  parameters.allocate();
  bind();
}

void LlamaWeights::bind() {
  text = parameters.weight({kText});
  id_embedding = parameters.weight({"id_embedding.weight"});
  if (config.tie_word_embeddings) {
    id_head = parameters.value("id_embedding.weight");
    if (dense_text) text_head = parameters.value(kText);
  } else {
    id_head = parameters.value("lm_head.id.weight");
    if (config.text_head) text_head = parameters.value("lm_head.text.weight");
  }
  norm = parameters.value("model.norm.weight");
  layers.clear();
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers.push_back(layer_of(parameters, config, layer_prefix(i)));
  }
}

}  // namespace tutti::trainer
