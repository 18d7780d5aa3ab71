#include "checkpoints/llama_tensors.h"

#include <fmt/core.h>

namespace tutti::checkpoints {

std::vector<TensorShape> llama_block_tensors(const LlamaConfig& llama) {
  std::vector<TensorShape> tensors;
  const int64_t width = llama.hidden_size, inner = llama.intermediate_size;
  for (int64_t i = 0; i < llama.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    const auto projection = [&](const char* name, int64_t rows, int64_t columns, bool has_bias) {
      const std::string at = layer + "self_attn." + name;
      tensors.push_back({at + ".weight", {rows, columns}});
      if (has_bias) tensors.push_back({at + ".bias", {rows}});
    };
    projection("q_proj", llama.query_dim(), width, llama.qkv_bias);
    projection("k_proj", llama.key_value_dim(), width, llama.qkv_bias);
    projection("v_proj", llama.key_value_dim(), width, llama.qkv_bias);
    projection("o_proj", width, llama.query_dim(), false);
    if (llama.qk_norm) {
      tensors.push_back({layer + "self_attn.q_norm.weight", {llama.head_dim}});
      tensors.push_back({layer + "self_attn.k_norm.weight", {llama.head_dim}});
    }
    tensors.push_back({layer + "mlp.gate_proj.weight", {inner, width}});
    tensors.push_back({layer + "mlp.up_proj.weight", {inner, width}});
    tensors.push_back({layer + "mlp.down_proj.weight", {width, inner}});
    tensors.push_back({layer + "input_layernorm.weight", {width}});
    tensors.push_back({layer + "post_attention_layernorm.weight", {width}});
  }
  tensors.push_back({"model.norm.weight", {width}});
  return tensors;
}

}  // namespace tutti::checkpoints
