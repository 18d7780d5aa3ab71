#include <array>
#include <set>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/gguf.h"
#include "checkpoints/import/llama_parts.h"
#include "data/normalizer.h"
#include "data/tokenizers/pre_split.h"

namespace tutti::checkpoints {
namespace {

using data::SplitStyle;
using nlohmann::json;

// tokenizer.ggml.token_type
enum TokenType : int64_t { kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

// tokenizer.ggml.pre: llama.cpp's names for how text is cut, compiled into it.
struct KnownLabel {
  const char* label;
  SplitStyle style;
  bool ignore_merges, compose, bos_by_default;
};
constexpr std::array kLabels = {KnownLabel{"gpt-2", SplitStyle::kGpt2, false, false, false},
                                KnownLabel{"smollm", SplitStyle::kSmollm, false, false, false},
                                KnownLabel{"llama-bpe", SplitStyle::kLlama3, true, false, true},
                                KnownLabel{"llama3", SplitStyle::kLlama3, true, false, true},
                                KnownLabel{"llama-v3", SplitStyle::kLlama3, true, false, true},
                                KnownLabel{"qwen2", SplitStyle::kQwen2, false, true, false}};

const KnownLabel& label_of(const GgufFile& file) {
  const std::string model = file.text("tokenizer.ggml.model");
  if (model != "gpt2") {
    file.fail("key 'tokenizer.ggml.model'", model, "gpt2 (byte-level BPE)",
              "give the model as a folder of Hugging Face transformers");
  }
  const std::string label = file.text("tokenizer.ggml.pre");
  for (const KnownLabel& known : kLabels) {
    if (label == known.label) return known;
  }
  file.fail("key 'tokenizer.ggml.pre'", label, "gpt-2, smollm, llama-bpe or qwen2",
            "give the model as a folder of Hugging Face transformers");
}

// A BOS in front of every text.
json post_processor(const std::string& bos, int64_t id) {
  return {{"type", "TemplateProcessing"},
          {"single",
           {{{"SpecialToken", {{"id", bos}, {"type_id", 0}}}},
            {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
          {"pair", json::array()},
          {"special_tokens", {{bos, {{"id", bos}, {"ids", {id}}, {"tokens", {bos}}}}}}};
}

}  // namespace

std::string tokenizer_json_of(const GgufFile& file) {
  constexpr const char* kTokens = "tokenizer.ggml.tokens";
  constexpr const char* kTypes = "tokenizer.ggml.token_type";
  const KnownLabel& label = label_of(file);
  const std::vector<std::string>& tokens = file.texts(kTokens);
  const std::vector<int64_t>& types = file.whole_numbers(kTypes);
  if (types.size() != tokens.size()) {
    file.fail(fmt::format("key '{}'", kTypes), fmt::format("{} values", types.size()),
              fmt::format("{}, one a token", tokens.size()));
  }
  json vocab = json::object(), added = json::array();
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string& token = tokens[id];
    const int64_t type = types[id];
    if (type == kUnused) continue;  // names of rows that pad the embedding
    if (token.empty() || !data::is_valid_utf8(token) || vocab.contains(token)) {
      file.fail(fmt::format("key '{}', token {}", kTokens, id), "'" + token + "'",
                "UTF-8 that no other token has");
    }
    vocab[token] = id;
    if (type != kControl && type != kUserDefined && type != kUnknown) continue;
    added.push_back({{"id", id},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type != kUserDefined}});
  }
  json merges = json::array();
  for (const std::string& merge : file.texts("tokenizer.ggml.merges")) {
    if (!data::is_valid_utf8(merge)) {
      file.fail("key 'tokenizer.ggml.merges'", "bytes that are no UTF-8", "two tokens");
    }
    merges.push_back(merge);
  }
  json post = nullptr;
  if (file.flag("tokenizer.ggml.add_bos_token", label.bos_by_default)) {
    const int64_t bos = file.whole("tokenizer.ggml.bos_token_id");
    if (bos < 0 || bos >= std::ssize(tokens)) {
      file.fail("key 'tokenizer.ggml.bos_token_id'", fmt::format("{}", bos),
                fmt::format("a token below {}", tokens.size()));
    }
    post = post_processor(tokens[static_cast<size_t>(bos)], bos);
  }
  const json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", true},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  return json{{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", added},
              {"normalizer", label.compose ? json{{"type", "NFC"}} : json()},
              {"pre_tokenizer", data::to_pre_tokenizer(label.style)},
              {"post_processor", post},
              {"decoder", byte_level},
              {"model",
               {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", nullptr},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", false},
                {"byte_fallback", false},
                {"ignore_merges", label.ignore_merges},
                {"vocab", vocab},
                {"merges", merges}}}}
      .dump();
}

}  // namespace tutti::checkpoints
