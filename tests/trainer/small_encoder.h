#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "dist/runtime/rng.h"
#include "trainer/baselines/bi_encoder.h"

namespace tutti::trainer {

// A small BERT of random weights, always the same. `tokenizer_golden`: the path of
// tests/data/goldens/bert_uncased_tokenizer.json.
inline BiEncoder small_encoder(const char* tokenizer_golden) {
  std::ifstream golden(tokenizer_golden);
  const std::string tokenizer = nlohmann::json::parse(golden)["tokenizer"].dump();
  const auto vocabulary = nlohmann::json::parse(tokenizer)["model"]["vocab"].size();
  BiEncoder encoder({.vocab_size = static_cast<int64_t>(vocabulary),
                     .hidden_size = 24,
                     .intermediate_size = 40,
                     .num_hidden_layers = 2,
                     .num_attention_heads = 3,
                     .max_position_embeddings = 32},
                    data::Tokenizer::from_bytes(tokenizer, "golden"));
  uint64_t stream = 0;
  for (Parameter& p : encoder.store().all()) {
    Rng rng(5, Purpose::kTest, stream++);
    const bool is_norm = p.name.ends_with("LayerNorm.weight");
    auto* value = p.value.data_ptr<float>();
    for (int64_t i = 0; i < p.value.numel(); ++i) {
      value[i] = static_cast<float>((is_norm ? 1 : 0) + 0.2 * rng.normal());
    }
  }
  return encoder;
}

}  // namespace tutti::trainer
