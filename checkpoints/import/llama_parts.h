#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoints/import/source_tensor.h"
#include "checkpoints/llama_config.h"

// The two forms that a LlamaSource is read from, one a file.
namespace tutti::checkpoints {

class GgufFile;

struct LlamaParts {
  LlamaConfig config;
  std::string tokenizer_json;
  std::vector<SourceTensor> tensors;
  std::vector<IgnoredTensor> ignored;
  std::shared_ptr<const void> files;  // what the tensors are mapped from
};

LlamaParts read_hf_llama(const std::filesystem::path& folder);
LlamaParts read_gguf_llama(const std::filesystem::path& path);

// config.json of a Llama, Qwen2 or Qwen3ForCausalLM. Absent fields mean what they mean to
// transformers. DataError naming the file and the field.
LlamaConfig read_hf_llama_config(const std::filesystem::path& path);

// The tokenizer in a GGUF file's metadata as a tokenizer.json.
std::string tokenizer_json_of(const GgufFile& file);

// The tokenizer.json of a folder. DataError when there is none.
std::string read_tokenizer_json(const std::filesystem::path& folder);
// DataError when the tokenizer is none that is followed, or has more pieces than the model rows.
void check_tokenizer(const std::string& tokenizer_json, const std::string& origin,
                     int64_t num_rows);

}  // namespace tutti::checkpoints
