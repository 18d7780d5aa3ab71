#include "tests/conformance/reader_case.h"

#include <deque>
#include <fstream>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/bert.h"
#include "checkpoints/import/llama.h"
#include "checkpoints/safetensors.h"
#include "data/tokenizer.h"
#include "dist/runtime/files.h"

namespace tutti::conformance {
namespace {

using checkpoints::SourceTensor;
using nlohmann::json;

template <typename Source>
void write(const Source& source, const std::filesystem::path& out) {
  std::deque<std::vector<float>> values;
  std::vector<checkpoints::NamedTensor> tensors;
  for (const SourceTensor& tensor : source.tensors()) {
    auto& copy = values.emplace_back(static_cast<size_t>(tensor.num_elements()));
    tensor.copy_as_fp32(copy);
    tensors.push_back({tensor.name, checkpoints::TensorType::kF32, tensor.shape, copy.data()});
  }
  checkpoints::write_safetensors(out / "tensors.safetensors", tensors, {});
  json ignored = json::object();
  for (const auto& [name, reason] : source.ignored()) ignored[name] = reason;
  write_file(out / "config.json", to_json(source.config()).dump());
  write_file(out / "tokenizer.json", source.tokenizer_json());
  write_file(out / "ignored.json", ignored.dump());
}

}  // namespace

void write_source(const std::string& kind, const std::filesystem::path& path,
                  const std::filesystem::path& out) {
  std::filesystem::create_directories(out);
  if (kind == "bert") {
    write(checkpoints::BertSource::open(path), out);
  } else {
    write(checkpoints::LlamaSource::open(path), out);
  }
}

void print_tokens(const std::string& tokenizer_file, const std::string& texts_file) {
  const data::Tokenizer tokenizer = data::Tokenizer::from_file(tokenizer_file);
  std::ifstream in(texts_file);
  json found = json::array();
  for (const json& item : json::parse(in)) {
    const auto text = item.get<std::string>();
    found.push_back({{"ids", tokenizer.encode(text)},
                     {"part", tokenizer.encode_part(text, data::SpecialText::kAsTokens)}});
  }
  fmt::print("{}\n", found.dump());
}

}  // namespace tutti::conformance
