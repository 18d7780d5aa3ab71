#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "trainer/models/parameters.h"

namespace tutti::trainer {

// The shape of a T5 encoder-decoder (Raffel et al. 2020; v1.1 / Flan form by default). Field names
// follow the HF config.
struct T5Config {
  int64_t text_rows = 0;  // rows of `shared.weight`: the text vocabulary
  int64_t id_tokens = 0;  // rows of `id_embedding.weight` and `lm_head.id.weight`
  int64_t d_model = 128;
  int64_t d_kv = 32;  // per head; num_heads * d_kv need not be d_model
  int64_t num_heads = 4;
  int64_t d_ff = 384;
  int64_t num_layers = 2;  // encoder
  int64_t num_decoder_layers = 2;
  int64_t relative_attention_num_buckets = 32;
  int64_t relative_attention_max_distance = 128;
  double layer_norm_epsilon = 1e-6;

  int64_t inner_dim() const { return num_heads * d_kv; }
};
nlohmann::json to_json(const T5Config& config);  // {"arch": "t5", ...}
T5Config t5_config_from_json(
    const nlohmann::json& json);  // DataError naming the missing or wrong field

// Everything that a decoder has seen so far, for the partial IDs (beams) of a batch of titles.
// Nothing is copied when beams fork: each names the cached rows on its path.
struct DecoderState {
  at::Tensor lengths;                        // [B] int64
  std::vector<at::Tensor> cross_k, cross_v;  // a layer: [R, H * d_kv], rows of all title tokens
  std::vector<at::Tensor> self_k, self_v;    // a layer: [all rows of all steps so far, H * d_kv]
  at::Tensor paths;                          // [rows, t] int64: the cached rows of each beam
};

// The decoder nodes of a packed batch as tensors (see trainer/packing.h for the meaning of each).
struct TreeInputs {
  at::Tensor input;      // [M] int64, the first B are the start nodes
  at::Tensor title;      // [M] int64
  at::Tensor ancestors;  // [M, T] int64
  at::Tensor depth;      // [M] int64
};

// T5 as HF names it, with ID rows apart from text rows: "id_embedding.weight" [id_tokens, d_model]
// is what the decoder reads, "lm_head.id.weight" [id_tokens, d_model] what it predicts with. Text
// rows of the head cannot be reached by an ID, so they are no parameter.
class T5Model {
 public:
  explicit T5Model(const T5Config& config);  // parameters allocated, not initialised
  ~T5Model();
  T5Model(T5Model&&) noexcept;

  const T5Config& config() const;
  std::vector<Parameter>& parameters();
  const std::vector<Parameter>& parameters() const;
  // nullptr when there is none of that name.
  Parameter* find(const std::string& name);

  // See ParameterStore.
  at::Tensor flat_values() const;  // [num_flat]
  at::Tensor flat_grads() const;   // [num_flat]
  int64_t num_decay_elements() const;
  int64_t num_parameters() const;  // without padding

  // HF's initialisation (factor 1.0), except that the ID head starts at d_model^-0.5 so that the
  // first losses are near ln(codes). Every tensor draws from its own stream of (seed, position in
  // parameters()).
  void initialize(uint64_t seed);

  // Encoder output [B, S, d_model] for padded titles: tokens [B, S] int64 text rows, lengths [B]
  // int64 (host).
  at::Tensor encode(const at::Tensor& tokens, const at::Tensor& lengths) const;

  // Training. The hidden state [M, d_model] of every node behind the final norm: a node attends to
  // its path from the start node and to its title. Linear layers run over the M nodes without
  // padding.
  at::Tensor decode_tree(const at::Tensor& encoded, const at::Tensor& lengths,
                         const TreeInputs& tree) const;

  // Inference. start(): projects cross-attention keys and values of every title once. step(): one
  // decoder position for `rows` beams.
  //   inputs    [rows] int64: the ID token fed (ignored in the first step, which feeds the decoder
  //   start) parent    [rows] int64: row of the state's previous step that this row continues
  //   (ignored in the first step) title     [rows] int64: the title (batch row of `start`) each row
  //   belongs to
  // Returns [rows, d_model], the hidden state behind the final norm. The caller switches grad mode
  // off when it does not want gradients.
  DecoderState start(const at::Tensor& encoded, const at::Tensor& lengths) const;
  at::Tensor step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                  const at::Tensor& title) const;

  // hidden [rows, d_model] -> logits [rows, num_tokens] for ID tokens [first_token, first_token +
  // num_tokens).
  at::Tensor logits(const at::Tensor& hidden, int64_t first_token, int64_t num_tokens) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::trainer
