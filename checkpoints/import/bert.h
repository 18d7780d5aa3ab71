#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoints/bert_config.h"
#include "checkpoints/import/source_tensor.h"

namespace tutti::checkpoints {

// A BERT encoder to start from, read strictly from a folder of HF transformers: config.json,
// safetensors in one file or many, tokenizer.json (WordPiece).
class BertSource {
 public:
  // DataError naming file and field or tensor: another architecture, another activation or kind of
  // positions, a missing tensor, one too many, another shape or type.
  static BertSource open(const std::filesystem::path& folder);
  ~BertSource();
  BertSource(BertSource&&) noexcept;
  BertSource& operator=(BertSource&&) noexcept;

  const BertConfig& config() const;
  const std::filesystem::path& path() const;
  const std::string& tokenizer_json() const;

  // By BertModel's names ("embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.
  // query.weight"), in the order of its modules. A "bert." in front is taken off. bert_tensors.h
  // has the list.
  const std::vector<SourceTensor>& tensors() const;
  // The pooler, the heads of pre-training, position_ids.
  const std::vector<IgnoredTensor>& ignored() const;

 private:
  struct Impl;
  explicit BertSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::checkpoints
