#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoints/import/hf_weights.h"
#include "checkpoints/import/source_tensor.h"
#include "checkpoints/safetensors.h"
#include "checkpoints/t5_config.h"

namespace tutti::checkpoints {

// A folder that Hugging Face transformers wrote for T5ForConditionalGeneration (T5 v1.0, v1.1,
// Flan): config.json, model.safetensors or its parts under model.safetensors.index.json, and
// spiece.model or tokenizer.json. Read strictly: everything is checked before a byte is used.
class HfT5 {
 public:
  // DataError naming file and field or tensor: an architecture that is not T5, a config field of a
  // wrong type, a missing tensor, one too many, another shape or type, an index that does not fit
  // its files, a tied head that differs from the embedding, no tokenizer.
  static HfT5 open(const std::filesystem::path& folder);

  // The shape; id_tokens is 0. text_head: the head is a matrix of its own ("lm_head.weight").
  const T5Config& config() const { return config_; }
  const std::filesystem::path& folder() const { return folder_; }
  // spiece.model, or tokenizer.json where that is all there is.
  const std::string& vocabulary_path() const { return vocabulary_path_; }

  // The tensors that make up the model, in the order of HF's modules: "shared.weight", those of the
  // blocks and, if config().text_head, "lm_head.weight". Fp32, bf16 or fp16.
  const std::vector<NamedTensor>& tensors() const { return tensors_; }
  const std::vector<IgnoredTensor>& ignored() const { return weights_.ignored(); }

 private:
  HfT5() = default;
  void read_config();
  void find_vocabulary();
  void take_tensors();

  std::filesystem::path folder_;
  T5Config config_;
  bool tied_by_flag_ = true;      // the config's tie_word_embeddings
  bool head_may_differ_ = false;  // transformers 5: the flag no longer says that it is shared
  std::string vocabulary_path_;
  HfWeights weights_;
  std::vector<NamedTensor> tensors_;
};

}  // namespace tutti::checkpoints
