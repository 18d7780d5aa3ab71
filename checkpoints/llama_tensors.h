#pragma once

#include <vector>

#include "checkpoints/llama_config.h"
#include "checkpoints/t5_tensors.h"

namespace tutti::checkpoints {

// The tensors of HF's Llama, Qwen2 and Qwen3ForCausalLM in the order of its modules, but for the
// embedding and the head: "model.layers.N.self_attn.q_proj.weight" to "model.norm.weight". A
// checkpoint of ours has the same names; its embedding is "model.embed_tokens.weight" [text_rows,
// hidden_size] and "id_embedding.weight" [id_tokens, hidden_size], its head, when untied,
// "lm_head.id.weight" and, with text_head, "lm_head.text.weight".
std::vector<TensorShape> llama_block_tensors(const LlamaConfig& llama);

}  // namespace tutti::checkpoints
