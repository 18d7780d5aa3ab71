#include <memory>
#include <utility>

#include "checkpoints/import/hf_weights.h"
#include "checkpoints/import/llama_parts.h"
#include "checkpoints/llama_tensors.h"

namespace tutti::checkpoints {

LlamaParts read_hf_llama(const std::filesystem::path& folder) {
  constexpr const char* kEmbedding = "model.embed_tokens.weight";
  constexpr const char* kHead = "lm_head.weight";
  LlamaParts parts;
  parts.config = read_hf_llama_config(folder / "config.json");
  parts.tokenizer_json = read_tokenizer_json(folder);
  check_tokenizer(parts.tokenizer_json, (folder / "tokenizer.json").string(),
                  parts.config.text_rows);
  auto weights = std::make_shared<HfWeights>(HfWeights::open(folder));
  const std::vector<int64_t> rows = {parts.config.text_rows, parts.config.hidden_size};
  const NamedTensor embedding = weights->take({kEmbedding, rows});
  parts.tensors.push_back(as_source(embedding));
  for (const TensorShape& expected : llama_block_tensors(parts.config)) {
    parts.tensors.push_back(as_source(weights->take(expected)));
    // Written by old versions, computed by all.
    const size_t layer = expected.name.find("self_attn.q_proj.weight");
    if (layer != std::string::npos) {
      weights->ignore(expected.name.substr(0, layer) + "self_attn.rotary_emb.inv_freq",
                      "follows from rope_theta");
    }
  }
  if (parts.config.text_head) {
    parts.tensors.push_back(as_source(weights->take({kHead, rows})));
  } else if (!weights->ignore_copy(kHead, embedding, kEmbedding) && weights->contains(kHead)) {
    weights->fail(kHead, std::string("other values than in ") + kEmbedding,
                  "a shared head, as tie_word_embeddings in config.json says",
                  "set it to false if the head is a matrix of its own");
  }
  weights->finish("a language model");
  parts.ignored = weights->ignored();
  parts.files = std::move(weights);
  return parts;
}

}  // namespace tutti::checkpoints
