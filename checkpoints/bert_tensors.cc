#include "checkpoints/bert_tensors.h"

#include <fmt/core.h>

namespace tutti::checkpoints {

std::vector<TensorShape> bert_tensors(const BertConfig& bert) {
  std::vector<TensorShape> tensors;
  const int64_t width = bert.hidden_size, inner = bert.intermediate_size;
  const auto norm = [&](const std::string& at) {
    tensors.push_back({at + ".weight", {width}});
    tensors.push_back({at + ".bias", {width}});
  };
  const auto dense = [&](const std::string& at, int64_t rows, int64_t columns) {
    tensors.push_back({at + ".weight", {rows, columns}});
    tensors.push_back({at + ".bias", {rows}});
  };
  tensors.push_back({"embeddings.word_embeddings.weight", {bert.vocab_size, width}});
  tensors.push_back(
      {"embeddings.position_embeddings.weight", {bert.max_position_embeddings, width}});
  tensors.push_back({"embeddings.token_type_embeddings.weight", {bert.type_vocab_size, width}});
  norm("embeddings.LayerNorm");
  for (int64_t i = 0; i < bert.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("encoder.layer.{}.", i);
    for (const char* in : {"query", "key", "value"}) {
      dense(layer + "attention.self." + in, width, width);
    }
    dense(layer + "attention.output.dense", width, width);
    norm(layer + "attention.output.LayerNorm");
    dense(layer + "intermediate.dense", inner, width);
    dense(layer + "output.dense", width, inner);
    norm(layer + "output.LayerNorm");
  }
  return tensors;
}

}  // namespace tutti::checkpoints
