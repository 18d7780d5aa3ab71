#include "checkpoints/import/bert.h"

#include <utility>

#include "checkpoints/bert_tensors.h"
#include "checkpoints/import/bert_config_json.h"
#include "checkpoints/import/hf_weights.h"
#include "checkpoints/import/llama_parts.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

namespace {

// Why a tensor that is no part of the encoder may be there; nullptr for none that is known.
const char* reason_to_ignore(std::string_view name) {
  if (name.ends_with("embeddings.position_ids")) return "the numbers 0, 1, 2, ...";
  if (name.starts_with("cls.")) return "a head of pre-training";
  if (name.starts_with("pooler.") || name.starts_with("bert.pooler.")) {
    return "the pooler: titles are read by their token states";
  }
  return nullptr;
}

}  // namespace

struct BertSource::Impl {
  fs::path path;
  BertConfig config;
  std::string tokenizer_json;
  HfWeights weights;
  std::vector<SourceTensor> tensors;
};

BertSource::BertSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BertSource::~BertSource() = default;
BertSource::BertSource(BertSource&&) noexcept = default;
BertSource& BertSource::operator=(BertSource&&) noexcept = default;

BertSource BertSource::open(const fs::path& folder) {
  auto impl = std::make_unique<Impl>();
  impl->path = folder;
  impl->config = read_hf_bert_config(folder / "config.json");
  impl->tokenizer_json = read_tokenizer_json(folder);
  check_tokenizer(impl->tokenizer_json, (folder / "tokenizer.json").string(),
                  impl->config.vocab_size);
  HfWeights& weights = impl->weights;
  weights = HfWeights::open(folder);
  const std::string prefix =
      weights.contains("bert.embeddings.word_embeddings.weight") ? "bert." : "";
  for (const TensorShape& expected : bert_tensors(impl->config)) {
    impl->tensors.push_back(as_source(weights.take(expected, prefix + expected.name)));
  }
  for (const std::string& name : weights.names_left()) {
    if (const char* reason = reason_to_ignore(name)) weights.ignore(name, reason);
  }
  weights.finish("a BERT encoder");
  return BertSource(std::move(impl));
}

const BertConfig& BertSource::config() const {
  return impl_->config;
}
const fs::path& BertSource::path() const {
  return impl_->path;
}
const std::string& BertSource::tokenizer_json() const {
  return impl_->tokenizer_json;
}
const std::vector<SourceTensor>& BertSource::tensors() const {
  return impl_->tensors;
}
const std::vector<IgnoredTensor>& BertSource::ignored() const {
  return impl_->weights.ignored();
}

}  // namespace tutti::checkpoints
