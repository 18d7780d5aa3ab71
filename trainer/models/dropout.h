#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace tutti::trainer {

// The dropout of one training step. What is dropped is a pure function of (seed, step, place in the
// model, key of the row, column): it does not depend on which rows are computed together, in which
// order, on which rank. Default-made, it is off.
class Dropout {
 public:
  Dropout() = default;
  // 0 <= rate < 1, rounded to a multiple of 2^-16.
  Dropout(double rate, uint64_t seed, int64_t step);

  bool is_on() const { return threshold_ > 0; }

  // Factors [rows, columns] fp32 in host memory: 0, or 1 / (1 - rate). `place`: where in the model.
  at::Tensor factors(uint32_t place, const std::vector<uint64_t>& row_keys, int64_t columns) const;
  // The same for attention: [heads, rows, longest].
  at::Tensor attention_factors(uint32_t place, const std::vector<uint64_t>& row_keys, int64_t heads,
                               int64_t longest) const;

 private:
  uint64_t key_ = 0;
  uint32_t threshold_ = 0;  // of 16 bits: what lies below is dropped
  float scale_ = 1;
};

// The key of the row that `token` leads to from the row `parent`, or of position `token` of a
// title.
uint64_t row_key(uint64_t parent, int64_t token);

// Dropout in a layer of a stack, T5's places. Rows have keys. Off unless given one that is on.
class LayerDropout {
 public:
  enum class Place : uint32_t {
    kInput,          // the embeddings that a stack starts from
    kSelfAttention,  // what a sublayer adds to the residual stream
    kCrossAttention,
    kFeedForward,
    kSelfProbability,  // attention probabilities
    kCrossProbability,
    kInner,   // behind the activation
    kOutput,  // behind the stack's last norm
  };

  LayerDropout() = default;
  // Both outlive the object. `stack`: 0 encoder, 1 decoder.
  LayerDropout(const Dropout& dropout, const std::vector<uint64_t>& row_keys, uint32_t stack)
      : dropout_(&dropout), row_keys_(&row_keys), stack_(stack) {}
  LayerDropout in_layer(size_t layer) const;

  bool is_on() const { return dropout_ != nullptr && dropout_->is_on(); }
  // x with some elements dropped.
  at::Tensor apply(Place place, const at::Tensor& x) const;
  // residual + apply(x); for an x that has yet to be added.
  at::Tensor add(Place place, const at::Tensor& residual, const at::Tensor& x) const;
  // In host memory; undefined when off.
  at::Tensor attention_factors(Place place, int64_t heads, int64_t longest) const;

 private:
  uint32_t place_number(Place place) const;
  at::Tensor factors_for(Place place, const at::Tensor& x) const;  // on the device of x

  const Dropout* dropout_ = nullptr;
  const std::vector<uint64_t>* row_keys_ = nullptr;
  uint32_t stack_ = 0, layer_ = 0;
};

}  // namespace tutti::trainer
