#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoints/llama_config.h"
#include "trainer/models/id_model.h"
#include "trainer/models/llama_layers.h"
#include "trainer/models/parameters.h"
#include "trainer/models/training_form.h"

// What the parts of LlamaModel share: its parameters, by the places where they are used.
namespace tutti::trainer {

struct LlamaWeights {
  LlamaWeights(const checkpoints::LlamaConfig& config, TrainedPart trained, TextRows text_rows);

  // Takes the weights from the parameters again, which round_weights() may have changed.
  void bind();

  at::Device device() const { return parameters.flat_values().device(); }

  checkpoints::LlamaConfig config;
  bool dense_text = true;  // else a tied head cannot read the text rows: gradients would be lost
  ComputeOptions compute;
  ParameterStore parameters;

  Weight text, id_embedding;      // [text_rows, hidden_size], [read_ids, hidden_size]
  at::Tensor id_head, text_head;  // the latter undefined when nothing predicts text
  at::Tensor norm;                // [hidden_size]
  std::vector<LlamaLayer> layers;
};

}  // namespace tutti::trainer
