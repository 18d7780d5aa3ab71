#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoints/bert_config.h"
#include "trainer/models/parameters.h"
#include "trainer/models/title_rows.h"

namespace tutti::trainer {

// BERT's encoder (Devlin et al. 2019) over title tokens without padding: learned positions, token
// type 0, LayerNorm behind each layer, exact GELU. Its parameters are HF's BertModel without the
// pooler, their names with "bert." in front, in a store that others may share.
class BertEncoder {
 public:
  // Declares the parameters; bind() when the store is allocated. `words_as_rows`: the gradient of
  // the word embeddings is kept as a list of rows.
  BertEncoder(const checkpoints::BertConfig& config, ParameterStore& store, bool trainable,
              bool words_as_rows);

  // Takes the weights from the store, again when it has rounded them.
  void bind(const ParameterStore& store);

  const checkpoints::BertConfig& config() const { return config_; }

  // Token states [R, hidden_size] of all title tokens. `lengths`: [B] int64, on the host. Tokens
  // past the last learned position share it.
  at::Tensor encode(const TitleRows& titles, const at::Tensor& lengths,
                    bool checkpoint_activations) const;

  // Floating-point operations, forward: of a token in linear layers, of a pair of tokens in
  // attention.
  double token_flops() const;
  double pair_flops() const;

 private:
  struct Norm {
    at::Tensor weight, bias;  // [hidden_size]
  };
  struct Layer {
    Weight qkv, o, up, down;
    at::Tensor q_bias, k_bias, v_bias, o_bias, up_bias, down_bias;
    Norm attention_norm, output_norm;
  };
  at::Tensor normalized(const at::Tensor& x, const Norm& norm) const;
  at::Tensor attention(const Layer& layer, const at::Tensor& x, const AttentionLists& lists) const;
  at::Tensor feed_forward(const Layer& layer, const at::Tensor& x) const;

  checkpoints::BertConfig config_;
  Weight words_, positions_;
  at::Tensor types_;        // [type_vocab_size, hidden_size]
  at::Tensor query_scale_;  // [3 * hidden_size]: head_dim^-0.5 for queries, 1 for the others
  Norm embedding_norm_;
  std::vector<Layer> layers_;
};

// The standard deviation that HF initialises BERT's matrices with (initializer_range).
constexpr double kBertDeviation = 0.02;

}  // namespace tutti::trainer
