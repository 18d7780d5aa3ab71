#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/models/parameters.h"
#include "trainer/models/t5.h"

// What the parts of T5Model share: its parameters, by the places where they are used.
namespace tutti::trainer {

struct Attention {
  at::Tensor q, k, v;  // [inner, d_model]
  at::Tensor o;        // [d_model, inner]
  at::Tensor norm;     // [d_model], the RMS norm in front
};

struct FeedForward {
  at::Tensor wi_0, wi_1;  // [d_ff, d_model], gate and value; ReLU form: wi_0 is HF's wi, no wi_1
  at::Tensor wo;          // [d_model, d_ff]
  at::Tensor norm;        // [d_model]
};

struct EncoderBlock {
  Attention self;
  FeedForward feed_forward;
};

struct DecoderBlock {
  Attention self, cross;
  FeedForward feed_forward;
};

struct T5Weights {
  T5Weights(const T5Config& config, TrainedPart trained);

  T5Config config;
  ParameterStore parameters;

  at::Tensor shared, id_embedding;        // [text_rows, d_model], [id_tokens, d_model]
  at::Tensor id_head, text_head;          // the latter undefined when nothing predicts text
  at::Tensor encoder_bias, decoder_bias;  // [buckets, H]
  at::Tensor encoder_norm, decoder_norm;  // [d_model]
  std::vector<EncoderBlock> encoder;
  std::vector<DecoderBlock> decoder;
};

}  // namespace tutti::trainer
