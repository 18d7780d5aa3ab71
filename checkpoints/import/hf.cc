#include "checkpoints/import/hf.h"

#include <utility>

#include "checkpoints/import/hf_config.h"
#include "checkpoints/t5_tensors.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

namespace {

// Why a tensor that is not part of the model may be there.
struct KnownExtra {
  const char* name;
  const char* reason;
};
constexpr KnownExtra kUnused = {
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
    "cross-attention has no position bias"};

}  // namespace

HfT5 HfT5::open(const fs::path& folder) {
  HfT5 model;
  model.folder_ = folder;
  model.read_config();
  model.weights_ = HfWeights::open(folder);
  model.take_tensors();
  model.find_vocabulary();
  return model;
}

void HfT5::read_config() {
  const HfT5Config read = read_hf_t5_config(folder_ / "config.json");
  config_ = read.shape;
  tied_by_flag_ = read.shape.tie_word_embeddings;
  head_may_differ_ = read.tells_scale_apart;
}

void HfT5::find_vocabulary() {
  for (const char* name : {"spiece.model", "tokenizer.json"}) {
    if (!fs::exists(folder_ / name)) continue;
    vocabulary_path_ = (folder_ / name).string();
    return;
  }
  throw DataError(Problem{.file = folder_.string(),
                          .place = "spiece.model",
                          .found = "no such file, and no tokenizer.json",
                          .expected = "the tokenizer of the model",
                          .cure = "copy spiece.model or tokenizer.json from where the model came "
                                  "from, or save it with transformers' T5Tokenizer"});
}

void HfT5::take_tensors() {
  const auto take = [&](const TensorShape& expected, const std::string& stored_as) {
    tensors_.push_back(weights_.take(expected, stored_as));
  };

  // One matrix under up to three names: writers differ in which of them they keep.
  const std::vector<int64_t> rows = {config_.text_rows, config_.d_model};
  std::string shared = "shared.weight";
  for (const char* copy : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
    if (!weights_.contains(shared) && weights_.contains(copy)) shared = copy;
  }
  take({"shared.weight", rows}, shared);
  const NamedTensor embedding = tensors_.front();
  for (const char* copy : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
    if (!weights_.ignore_copy(copy, embedding, shared) && weights_.contains(copy)) {
      weights_.fail(copy, "other values than in " + shared,
                    "one embedding for encoder and decoder");
    }
  }

  for (const TensorShape& expected : t5_block_tensors(config_)) take(expected, expected.name);

  constexpr const char* kHead = "lm_head.weight";
  if (tied_by_flag_ && !weights_.ignore_copy(kHead, embedding, shared) &&
      weights_.contains(kHead) && !head_may_differ_) {
    weights_.fail(kHead, "other values than in " + shared,
                  "a shared head, as tie_word_embeddings in config.json says",
                  "set it to false if the head is a matrix of its own (T5 v1.1, Flan-T5)");
  }
  config_.text_head = !tied_by_flag_ || weights_.contains(kHead);
  config_.tie_word_embeddings = !config_.text_head;
  if (config_.text_head) take({kHead, rows}, kHead);

  weights_.ignore(kUnused.name, kUnused.reason);
  weights_.finish("T5");
}

}  // namespace tutti::checkpoints
