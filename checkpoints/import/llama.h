#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoints/import/source_tensor.h"
#include "checkpoints/llama_config.h"

namespace tutti::checkpoints {

// A Llama, Qwen2 or Qwen3 to start from, read strictly: a folder of HF transformers (config.json,
// safetensors in one file or many, tokenizer.json) or a GGUF file. Sizes, shapes and types are
// checked before a value is read.
class LlamaSource {
 public:
  // DataError naming file and field or tensor: another architecture, a config that the model cannot
  // follow, a missing tensor, one too many, another shape or type, a tied head that differs from
  // the embedding.
  static LlamaSource open(const std::filesystem::path& path);
  // Whether `path` says that it is one: a file, or a folder whose config.json has one of these
  // families as its model_type. Anything else about it may be wrong still.
  static bool is_at(const std::filesystem::path& path);
  ~LlamaSource();
  LlamaSource(LlamaSource&&) noexcept;
  LlamaSource& operator=(LlamaSource&&) noexcept;

  // id_tokens is 0; text_head: the head is a matrix of its own ("lm_head.weight").
  const LlamaConfig& config() const;
  const std::filesystem::path& path() const;
  // tokenizer.json: the folder's own bytes, or made from GGUF's metadata.
  const std::string& tokenizer_json() const;

  // In the order of HF's modules: "model.embed_tokens.weight", "model.layers.N.…",
  // "model.norm.weight" and, if config().text_head, "lm_head.weight". llama_tensors.h has the list.
  const std::vector<SourceTensor>& tensors() const;
  const std::vector<IgnoredTensor>& ignored() const;

 private:
  struct Impl;
  explicit LlamaSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::checkpoints
