#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoints/llama_config.h"
#include "trainer/models/fused_ops.h"
#include "trainer/models/parameters.h"

// The layers of Llama and Qwen over rows: a row is a title token, a node of a prefix tree or a
// beam. What it attends to is in the lists, where it stands in the rotation.
namespace tutti::trainer {

struct LlamaLayer {
  Weight qkv;                             // [query_dim + 2 * key_value_dim, hidden_size]
  at::Tensor q_bias, k_bias, v_bias;      // undefined without biases
  at::Tensor q_norm, k_norm;              // [head_dim], undefined without
  Weight o;                               // [hidden_size, query_dim]
  Weight gate_up, down;                   // [2 * intermediate_size, hidden_size], the way back
  at::Tensor attention_norm, inner_norm;  // [hidden_size]
};

// What turns the heads of each row, by its position.
Rotation rotation_of(const checkpoints::LlamaConfig& config, const std::vector<int64_t>& position,
                     at::Device device);

// One layer over x [R, hidden_size]. Keys are rows of `before` [P, 2 * key_value_dim] (keys, as
// they were turned, in front of values; undefined: none) and, behind them, of x. `own`, unless
// null, takes the keys and values of x.
at::Tensor llama_layer(const checkpoints::LlamaConfig& config, const LlamaLayer& layer,
                       const at::Tensor& x, const Rotation& rotation, const AttentionLists& lists,
                       const at::Tensor& before = {}, at::Tensor* own = nullptr);

// Floating-point operations of a row in the linear layers of all layers, forward.
double llama_row_flops(const checkpoints::LlamaConfig& config);

}  // namespace tutti::trainer
