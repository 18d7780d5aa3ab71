#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoints/import/bert.h"
#include "data/tokenizer.h"
#include "dist/communicator.h"
#include "trainer/models/bert_encoder.h"
#include "trainer/models/parameters.h"

namespace tutti::trainer {

// One encoder for what is asked and for what is found: a text becomes the mean of its token states
// at length 1, as in all-MiniLM-L6-v2 (sentence-transformers' mean pooling and normalisation). Text
// past `kMaxTokens` is cut off.
class BiEncoder {
 public:
  static constexpr int64_t kMaxTokens = 256;

  // Weights are zero until they are filled.
  BiEncoder(const checkpoints::BertConfig& config, data::Tokenizer tokenizer);
  static BiEncoder from(const checkpoints::BertSource& source);

  int64_t width() const { return bert_.config().hidden_size; }
  const checkpoints::BertConfig& config() const { return bert_.config(); }
  const data::Tokenizer& tokenizer() const { return tokenizer_; }
  // All of it learns; names are BertModel's behind "bert.".
  ParameterStore& store() { return *store_; }
  const ParameterStore& store() const { return *store_; }

  // Unit vectors [texts, width], with the graph that made them where gradients are on.
  at::Tensor encode(std::span<const std::string> texts) const;
  // The same without a graph, in batches of texts of about one length that are dealt to the ranks:
  // the same bytes at any world size. `progress`: texts that this rank has encoded since the last
  // call. Collective.
  at::Tensor encode_all(std::span<const std::string> texts, Communicator& comm,
                        const std::function<void(int64_t)>& progress = {}) const;

 private:
  std::vector<int64_t> tokens_of(const std::string& text) const;
  at::Tensor encode_tokens(std::span<const std::vector<int64_t>> texts) const;

  data::Tokenizer tokenizer_;
  std::unique_ptr<ParameterStore> store_;
  BertEncoder bert_;
};

}  // namespace tutti::trainer
