#include "checkpoints/import/llama.h"

#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/llama_parts.h"
#include "data/tokenizer.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

struct LlamaSource::Impl {
  fs::path path;
  LlamaParts parts;
};

LlamaSource::LlamaSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LlamaSource::~LlamaSource() = default;
LlamaSource::LlamaSource(LlamaSource&&) noexcept = default;
LlamaSource& LlamaSource::operator=(LlamaSource&&) noexcept = default;

LlamaSource LlamaSource::open(const fs::path& path) {
  LlamaParts parts = fs::is_directory(path) ? read_hf_llama(path) : read_gguf_llama(path);
  return LlamaSource(std::make_unique<Impl>(Impl{.path = path, .parts = std::move(parts)}));
}

bool LlamaSource::is_at(const fs::path& path) {
  if (fs::is_regular_file(path)) return true;
  std::ifstream in(path / "config.json", std::ios::binary);
  const nlohmann::json config = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  const auto type = config.is_object() ? config.find("model_type") : config.end();
  return config.is_object() && type != config.end() &&
         (*type == name_of(LlamaFamily::kLlama) || *type == name_of(LlamaFamily::kQwen2) ||
          *type == name_of(LlamaFamily::kQwen3));
}

const LlamaConfig& LlamaSource::config() const {
  return impl_->parts.config;
}
const fs::path& LlamaSource::path() const {
  return impl_->path;
}
const std::string& LlamaSource::tokenizer_json() const {
  return impl_->parts.tokenizer_json;
}
const std::vector<SourceTensor>& LlamaSource::tensors() const {
  return impl_->parts.tensors;
}
const std::vector<IgnoredTensor>& LlamaSource::ignored() const {
  return impl_->parts.ignored;
}

std::string read_tokenizer_json(const fs::path& folder) {
  const fs::path path = folder / "tokenizer.json";
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw DataError(Problem{.file = path.string(),
                            .place = {},
                            .found = "no such file",
                            .expected = "the tokenizer of the model",
                            .cure = "save it with transformers' AutoTokenizer, or copy it from "
                                    "where the model came from"});
  }
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void check_tokenizer(const std::string& tokenizer_json, const std::string& origin,
                     int64_t num_rows) {
  const data::Tokenizer tokenizer = data::Tokenizer::from_bytes(tokenizer_json, origin);
  if (tokenizer.num_pieces() <= num_rows) return;
  throw DataError(Problem{.file = origin,
                          .place = "tokenizer",
                          .found = fmt::format("{} pieces", tokenizer.num_pieces()),
                          .expected = fmt::format("at most the model's {} rows", num_rows),
                          .cure = "give the tokenizer that the model was trained with"});
}

}  // namespace tutti::checkpoints
