#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoints/t5_config.h"
#include "trainer/models/dropout.h"
#include "trainer/models/parameters.h"

namespace tutti::trainer {

using checkpoints::FeedForwardForm;
using checkpoints::t5_config_from_json;
using checkpoints::T5Config;
using checkpoints::to_json;

struct T5Weights;

// Which parameters training may change; the others cost no gradient, no optimizer state and no
// all-reduce.
enum class TrainedPart {
  kAll,
  kIdRows,   // the rows of ID tokens: what the decoder reads and what it predicts with
  kDecoder,  // these and the decoder's layers
};
TrainedPart trained_part_from_name(const std::string& name);  // UsageError: all, id-rows, decoder

// How the gradient of the title vocabulary "shared.weight" is kept, of which a step reads few rows.
enum class TextRows {
  kSparse,  // as a list of rows; their AdamW is that of the steps that touch them
  kDense,   // as any other parameter's. A tied vocabulary always is: its head may read all rows
};

enum class Precision { kFp32, kBf16 };

// How the model computes. Parameters, gradients, residual stream, norms, softmax and loss are fp32
// in any case; with kBf16 linear layers and what lies between two of them are bf16.
struct ComputeOptions {
  Precision precision = Precision::kFp32;
  // Keep only the input of each block for the backward pass and compute the block again there:
  // memory of one block instead of all, for a third more arithmetic.
  bool checkpoint_activations = false;
};

// Everything that a decoder has seen so far, for the partial IDs (beams) of a batch of titles.
// Nothing is copied when beams fork: each names the cached rows on its path.
struct DecoderState {
  at::Tensor lengths;                // [B] int64
  std::vector<at::Tensor> cross_kv;  // a layer: [R, 2 * H * d_kv], rows of all title tokens
  std::vector<at::Tensor> self_kv;   // a layer: [all rows of all steps so far, 2 * H * d_kv]
  at::Tensor paths;                  // [rows, t] int64: the cached rows of each beam
};

// The decoder nodes of a packed batch as tensors (see trainer/packing.h for the meaning of each).
struct TreeInputs {
  at::Tensor input;      // [M] int64, the first B are the start nodes
  at::Tensor title;      // [M] int64
  at::Tensor ancestors;  // [M, T] int64
  at::Tensor depth;      // [M] int64
};

// What the dropout of a training step is drawn by. Default-made: no dropout.
struct StepDropout {
  Dropout dropout;
  std::vector<uint64_t> title_keys;  // [B], the same for a title wherever it is computed
};

// T5 as HF names it, with ID rows apart from text rows: "id_embedding.weight" [id_tokens, d_model]
// is what the decoder reads, "lm_head.id.weight" [id_tokens, d_model] what it predicts with (a tied
// head predicts with what it reads). Text rows of an untied head are parameters only when the
// config asks for them: an ID cannot reach them.
class T5Model {
 public:
  // Parameters allocated, not initialised.
  explicit T5Model(const T5Config& config, TrainedPart trained = TrainedPart::kAll,
                   TextRows text_rows = TextRows::kSparse);
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
  int64_t num_parameters() const;  // trainable, without padding
  void zero_gradients();

  // Moves the weights, once: before set_compute(), and before an optimizer or a reducer is made of
  // them. Tokens, lengths, trees and beams are given in host memory wherever the model is.
  void move_to(at::Device device);
  at::Device device() const;

  // Rounds the weights when the precision is bf16.
  void set_compute(const ComputeOptions& options);
  // AdamW keeps the rounded weights current; after any other change of values (a checkpoint that
  // was loaded, say) they are rounded by this. Nothing to do in fp32.
  void round_weights();
  at::Tensor flat_rounded() const;  // [num_flat] bf16; undefined in fp32

  // HF's initialisation (factor 1.0), except that an untied head starts at d_model^-0.5 so that the
  // first losses are near ln(codes). Every tensor draws from its own stream of (seed, position in
  // parameters()).
  void initialize(uint64_t seed);

  // Encoder output [R, d_model] of all title tokens, one title behind the other, without padding:
  // tokens [B, S] int64 text rows, padded, lengths [B] int64 (host).
  at::Tensor encode(const at::Tensor& tokens, const at::Tensor& lengths,
                    const StepDropout& step = {}) const;

  // Training. The hidden state [M, d_model] of every node behind the final norm, as the head reads
  // it: a node attends to its path from the start node and to its title. Linear layers run over the
  // M nodes without padding.
  at::Tensor decode_tree(const at::Tensor& encoded, const at::Tensor& lengths,
                         const TreeInputs& tree, const StepDropout& step = {}) const;

  // Inference. start(): projects cross-attention keys and values of every title once. step(): one
  // decoder position for `rows` beams.
  //   inputs  [rows] int64: the ID token fed (ignored in the first step: the decoder start)
  //   parent  [rows] int64: row of the step before that this row continues (ignored in the first)
  //   title   [rows] int64: the title (batch row of `start`) each row belongs to
  // Returns [rows, d_model], the hidden state as the head reads it. The caller switches grad mode
  // off when it does not want gradients.
  DecoderState start(const at::Tensor& encoded, const at::Tensor& lengths) const;
  at::Tensor step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                  const at::Tensor& title) const;

  // hidden [rows, d_model] -> logits [rows, num_tokens] for ID tokens [first_token, first_token +
  // num_tokens).
  at::Tensor logits(const at::Tensor& hidden, int64_t first_token, int64_t num_tokens) const;

  // The rows that predict: of ID tokens [id_tokens, d_model], of text [text_rows, d_model]. The
  // latter only when the head is tied or the config has a text head.
  at::Tensor id_head() const;
  at::Tensor text_head() const;

 private:
  std::unique_ptr<T5Weights> weights_;
};

}  // namespace tutti::trainer
