#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/models/bert_encoder.h"
#include "trainer/models/parameters.h"
#include "trainer/models/t5.h"
#include "trainer/models/title_memo.h"

// What the parts of T5Model share: its parameters, by the places where they are used.
namespace tutti::trainer {

struct SelfAttention {
  Weight qkv;       // [3 * inner, d_model]
  Weight o;         // [d_model, inner]
  at::Tensor norm;  // [d_model], the RMS norm in front
};

struct CrossAttention {
  Weight q;         // [inner, d_model]
  Weight o;         // [d_model, inner]
  at::Tensor norm;  // [d_model]
};

struct FeedForward {
  Weight wi;        // [2 * d_ff, d_model], wi_0 (the gate) and wi_1; ReLU form: [d_ff,
                    // d_model]
  Weight wo;        // [d_model, d_ff]
  at::Tensor norm;  // [d_model]
};

struct EncoderBlock {
  SelfAttention self;
  FeedForward feed_forward;
};

struct DecoderBlock {
  SelfAttention self;
  CrossAttention cross;
  FeedForward feed_forward;
};

struct DrawnDropout;  // t5_layers.h

struct T5Weights {
  T5Weights(const T5Config& config, TrainedPart trained, TextRows text_rows);

  // Takes the weights from the parameters again, which round_weights() may have changed.
  void bind();

  // Token states of titles, [R, encoder_width], as they are before dropout acts on them. Within
  // the layers of T5's own encoder `drawn` acts, within `bert` none.
  at::Tensor read(const TitleInputs& titles,
                  const std::shared_ptr<const DrawnDropout>& drawn) const;

  at::Device device() const { return parameters.flat_values().device(); }

  T5Config config;
  ComputeOptions compute;
  ParameterStore parameters;

  Weight shared, id_embedding;  // [text_rows, d_model], [read_ids, d_model]
  at::Tensor id_head,
      text_head;                          // the latter undefined when nothing predicts text
  at::Tensor encoder_bias, decoder_bias;  // [buckets, H]
  at::Tensor encoder_norm, decoder_norm;  // [d_model]
  std::vector<EncoderBlock> encoder;
  std::optional<BertEncoder> bert;        // in place of the blocks above, where the config says so
  mutable std::optional<TitleMemo> memo;  // of a frozen encoder
  std::vector<DecoderBlock> decoder;
  // Keys and values of the title for the cross-attention of all decoder layers, one product a
  // title: [layers * 2 * inner, encoder_width], a layer's keys in front of its values.
  Weight cross_kv;
};

}  // namespace tutti::trainer
