#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "trainer/models/dropout.h"
#include "trainer/models/parameters.h"

namespace tutti::trainer {

enum class Precision { kFp32, kBf16 };

// How the model computes. Parameters, gradients, residual stream, norms, softmax and loss are fp32
// in any case; with kBf16 linear layers and what lies between two of them are bf16.
struct ComputeOptions {
  Precision precision = Precision::kFp32;
  // Keep only the input of each block for the backward pass and compute the block again there:
  // memory of one block instead of all, for a third more arithmetic.
  bool checkpoint_activations = false;
};

// What a model reads: titles as its tokenizer made them.
struct TitleInputs {
  at::Tensor tokens;   // [B, S] int64 text rows, padded
  at::Tensor lengths;  // [B] int64 (host), at least 1
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

// Everything that a decoder has seen so far, for the partial IDs (beams) of a batch of titles.
// Nothing is copied when beams fork: each names the cached rows on its path.
struct DecoderState {
  at::Tensor lengths;                // [B] int64
  std::vector<at::Tensor> cross_kv;  // a layer: keys and values of all title tokens, a row each
  std::vector<at::Tensor> self_kv;   // a layer: those of all rows of all steps so far
  at::Tensor paths;                  // [rows, t] int64: the cached rows of each beam
  at::Tensor title_hidden;           // [B, width] of a model whose title predicts the first token
};

// The arithmetic of a training step by its units, in floating-point operations, a multiply-add
// counting two, forward and backward as far as frozen parts leave one: see ModelFlops.
struct UnitFlops {
  double title_token = 0;  // linear layers, and what a title token costs its readers
  double node = 0;         // linear layers of a decoder node, without the head
  double column = 0;       // a column of the head, of one node
  double title_pair = 0;   // attention between two tokens of a title
  double node_pair = 0;    // attention of a node to a title token or to a node on its path
};

// The standard deviations of the rows of ID tokens that IdModel::initialize() draws: of those that
// are read, and of those of an untied head.
struct RowDeviation {
  double read = 1, head = 1;
};

class TitleMemo;

// A model that reads a title and writes track IDs token by token: what Trainer, beam search,
// evaluation and the stores see. It does not know of ranks, files or tokenizers. Rows of ID tokens
// are parameters of their own: "id_embedding.weight" [id_tokens, width] is what the model reads,
// id_head() what it predicts with.
class IdModel {
 public:
  virtual ~IdModel() = default;

  // The shape, as state.json keeps it; make_model() makes the same model of it.
  virtual nlohmann::json shape() const = 0;
  virtual int64_t width() const = 0;  // of a hidden state as the head reads it
  virtual int64_t id_tokens() const = 0;
  virtual int64_t text_rows() const = 0;
  virtual UnitFlops unit_flops() const = 0;
  virtual RowDeviation id_row_deviation() const = 0;
  // Of a model whose titles are read by frozen layers alone: what it remembers of them. Its values
  // must not change behind the first title; move_to() and set_compute() make it forget all.
  virtual TitleMemo* title_memo() { return nullptr; }

  const std::vector<Parameter>& parameters() const { return store().all(); }
  std::vector<Parameter>& parameters() { return store().all(); }
  Parameter* find(const std::string& name) { return store().find(name); }  // or nullptr

  // See ParameterStore.
  at::Tensor flat_values() const { return store().flat_values(); }    // [num_flat]
  at::Tensor flat_grads() const { return store().flat_grads(); }      // [num_flat]
  at::Tensor flat_rounded() const { return store().flat_rounded(); }  // bf16; undefined in fp32
  int64_t num_decay_elements() const { return store().num_decay_elements(); }
  int64_t num_parameters() const { return store().num_parameters(); }  // trainable, without padding
  void zero_gradients() { store().zero_gradients(); }
  // Moves the weights, once: before set_compute(), and before an optimizer or a reducer is made of
  // them. Tokens, lengths, trees and beams are given in host memory wherever the model is.
  void move_to(at::Device device);
  at::Device device() const { return flat_values().device(); }

  // Rounds the weights when the precision is bf16.
  void set_compute(const ComputeOptions& options);
  // AdamW keeps the rounded weights current; after any other change of values (a checkpoint that
  // was loaded, say) they are rounded by this. Nothing to do in fp32.
  void round_weights() {
    if (flat_rounded().defined()) store().round_weights();
  }

  // Random weights. Every tensor draws from its own stream of (seed, position in parameters()).
  virtual void initialize(uint64_t seed) = 0;

  // Training. The hidden state [M, width] of every node as the head reads it: a node attends to its
  // path from the start node and to its title.
  virtual at::Tensor tree_hidden(const TitleInputs& titles, const TreeInputs& tree,
                                 const StepDropout& step) const = 0;

  // Inference. start() reads the titles once. step(): one decoder position for `rows` beams.
  //   inputs  [rows] int64: the ID token fed (ignored in the first step: the decoder start)
  //   parent  [rows] int64: row of the step before that this row continues (ignored in the first)
  //   title   [rows] int64: the title (batch row of `start`) each row belongs to
  // Returns [rows, width], the hidden state as the head reads it. The caller switches grad mode off
  // when it does not want gradients.
  virtual DecoderState start(const TitleInputs& titles) const = 0;
  virtual at::Tensor step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                          const at::Tensor& title) const = 0;

  // The rows that predict: of ID tokens [id_tokens, width], of text [text_rows, width]. The latter
  // only when the model has a head for text.
  virtual at::Tensor id_head() const = 0;
  virtual at::Tensor text_head() const = 0;

  // hidden [rows, width] -> logits [rows, num_tokens] for ID tokens [first_token, first_token +
  // num_tokens).
  at::Tensor logits(const at::Tensor& hidden, int64_t first_token, int64_t num_tokens) const;

 protected:
  IdModel() = default;
  IdModel(IdModel&&) noexcept = default;

  virtual ParameterStore& store() = 0;
  virtual const ParameterStore& store() const = 0;
  // What the layers compute by.
  virtual ComputeOptions& compute() = 0;
  // Lets the layers take their weights from the store anew: it moved or rounded them.
  virtual void bind() = 0;
};

}  // namespace tutti::trainer
