#include "data/tokenizers/tokenizer_json.h"

#include <algorithm>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include "data/normalizer.h"
#include "data/tokenizers/added_tokens.h"
#include "data/tokenizers/byte_pairs.h"
#include "data/tokenizers/pre_split.h"
#include "data/tokenizers/sentencepiece.h"
#include "data/tokenizers/tokenizer_file.h"
#include "data/tokenizers/unigram_json.h"
#include "data/tokenizers/word_piece.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

using nlohmann::json;

std::string composed(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
  const icu::UnicodeString out =
      nfc->normalize(icu::UnicodeString::fromUTF8(
                         icu::StringPiece(text.data(), static_cast<int32_t>(text.size()))),
                     status);
  TUTTI_CHECK(U_SUCCESS(status) != 0, u_errorName(status));
  std::string result;
  out.toUTF8String(result);
  return result;
}

// The part of a tokenizer behind its added tokens: text is made plain, then cut into pieces.
struct BpeSteps {
  bool compose;  // NFC first
  PreSplit pre_split;
  BytePairs pairs;

  std::string normalized(std::string_view text) const {
    return compose ? composed(text) : std::string(text);
  }
  void encode(std::string_view text, std::vector<int32_t>& ids) const {
    for (const std::string_view word : pre_split.split(text)) pairs.encode(word, ids);
  }
};

struct BertSteps {
  BertCleaning cleaning;
  WordPiece pieces;

  std::string normalized(std::string_view text) const { return bert_cleaned(text, cleaning); }
  void encode(std::string_view text, std::vector<int32_t>& ids) const {
    for (const std::string_view word : bert_words(text)) pieces.encode(word, ids);
  }
};

BpeSteps read_bpe(const JsonStep& file, const JsonStep& model, const Vocabulary& vocabulary,
                  const std::string& origin) {
  model.require("dropout", {});
  model.require("byte_fallback", {false});
  model.require("continuing_subword_prefix", {""});
  model.require("end_of_word_suffix", {""});
  bool compose = false;
  if (file.find("normalizer") != nullptr) {
    const JsonStep normalizer = file.inner("normalizer");
    if (normalizer.type() != "NFC") normalizer.fail("type", "NFC, or no normalizer");
    compose = true;
  }
  std::vector<std::pair<std::string, std::string>> merges;
  for (const JsonStep& merge : model.list("merges")) {
    const json& parts = merge.raw();
    if (parts.is_array() && parts.size() == 2 && parts[0].is_string() && parts[1].is_string()) {
      merges.emplace_back(parts[0].get<std::string>(), parts[1].get<std::string>());
      continue;
    }
    const std::string text = parts.is_string() ? parts.get<std::string>() : "";
    const size_t blank = text.find(' ');
    if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos) {
      merge.fail("", "two pieces");
    }
    merges.emplace_back(text.substr(0, blank), text.substr(blank + 1));
  }
  BytePairs::Options options;
  options.ignore_merges = model.flag("ignore_merges", false);
  options.fuse_unknown = model.flag("fuse_unk", false);
  if (const std::string unknown = model.text("unk_token", ""); !unknown.empty()) {
    const auto found = vocabulary.find(unknown);
    if (found == vocabulary.end()) model.fail("unk_token", "a piece of the vocabulary");
    options.unknown = found->second;
  }
  const json* pre_tokenizer = file.find("pre_tokenizer");
  return {compose,
          PreSplit(split_style_of(pre_tokenizer == nullptr ? json() : *pre_tokenizer, origin)),
          BytePairs(vocabulary, merges, options, origin)};
}

BertSteps read_word_piece(const JsonStep& file, const JsonStep& model,
                          const Vocabulary& vocabulary) {
  const JsonStep normalizer = file.inner("normalizer");
  if (normalizer.type() != "BertNormalizer") normalizer.fail("type", "BertNormalizer");
  BertCleaning cleaning;
  cleaning.clean_text = normalizer.flag("clean_text", true);
  cleaning.handle_chinese_chars = normalizer.flag("handle_chinese_chars", true);
  cleaning.lowercase = normalizer.flag("lowercase", true);
  cleaning.strip_accents = normalizer.flag("strip_accents", cleaning.lowercase);
  const JsonStep pre_tokenizer = file.inner("pre_tokenizer");
  if (pre_tokenizer.type() != "BertPreTokenizer") pre_tokenizer.fail("type", "BertPreTokenizer");
  WordPiece::Options options;
  const auto unknown = vocabulary.find(model.text("unk_token", "[UNK]"));
  if (unknown == vocabulary.end()) model.fail("unk_token", "a piece of the vocabulary");
  options.unknown = unknown->second;
  options.continuing = model.text("continuing_subword_prefix", "##");
  options.longest_word = model.whole("max_input_chars_per_word", 100);
  return {cleaning, WordPiece(vocabulary, std::move(options))};
}

template <typename Steps>
class JsonEncoder final : public TextEncoder {
 public:
  JsonEncoder(const std::string& serialized, Steps steps, const Vocabulary& vocabulary,
              const std::vector<AddedToken>& added)
      : steps_(std::move(steps)) {
    bytes = serialized;
    file_name = "tokenizer.json";
    std::vector<AddedToken> plain, normalized;
    for (const AddedToken& token : added) (token.normalized ? normalized : plain).push_back(token);
    for (AddedToken& token : normalized) token.content = steps_.normalized(token.content);
    std::erase_if(normalized, [](const AddedToken& token) { return token.content.empty(); });
    in_text_ = AddedTokens(std::move(plain));
    in_normalized_ = AddedTokens(std::move(normalized));

    int32_t last = -1;
    for (const auto& [spelling, id] : vocabulary) last = std::max(last, id);
    for (const AddedToken& token : added) last = std::max(last, token.id);
    pieces_.resize(static_cast<size_t>(last) + 1);
    for (const auto& [spelling, id] : vocabulary) pieces_[static_cast<size_t>(id)] = spelling;
    for (const AddedToken& token : added) pieces_[static_cast<size_t>(token.id)] = token.content;
  }

  int32_t num_pieces() const override { return static_cast<int32_t>(pieces_.size()); }

  void encode(std::string_view text, SpecialText special,
              std::vector<int32_t>& ids) const override {
    const std::string valid = is_valid_utf8(text) ? std::string() : to_valid_utf8(text);
    for (const TextPiece& part : in_text_.split(valid.empty() ? text : valid, special)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      const std::string normalized = steps_.normalized(part.text);
      for (const TextPiece& inner : in_normalized_.split(normalized, special)) {
        if (inner.id >= 0) {
          ids.push_back(inner.id);
        } else {
          steps_.encode(inner.text, ids);
        }
      }
    }
  }

  std::string_view piece(int32_t id) const override { return pieces_[static_cast<size_t>(id)]; }

  size_t end_of_last_special(std::string_view text) const override {
    const std::vector<TextPiece> parts = in_text_.split(text, SpecialText::kAsTokens);
    const auto last = std::find_if(parts.rbegin(), parts.rend(), is_token);
    return last == parts.rend() ? 0 : end_of(*last, text);
  }
  size_t begin_of_first_special(std::string_view text) const override {
    const std::vector<TextPiece> parts = in_text_.split(text, SpecialText::kAsTokens);
    const auto first = std::find_if(parts.begin(), parts.end(), is_token);
    return first == parts.end() ? text.size() : end_of(*first, text) - first->text.size();
  }

 private:
  static bool is_token(const TextPiece& part) { return part.id >= 0; }
  static size_t end_of(const TextPiece& part, std::string_view text) {
    return static_cast<size_t>(part.text.data() - text.data()) + part.text.size();
  }

  Steps steps_;
  AddedTokens in_text_, in_normalized_;
  std::vector<std::string> pieces_;  // by id, empty where there is none
};

// Added tokens that are pieces too have one id, others lie right behind the pieces.
void check_added(const JsonStep& file, const Vocabulary& vocabulary,
                 const std::vector<AddedToken>& added) {
  const std::vector<JsonStep> steps = file.list("added_tokens");
  const auto limit = static_cast<int64_t>(2 * (vocabulary.size() + added.size()) + 65536);
  for (size_t i = 0; i < added.size(); ++i) {
    const auto piece = vocabulary.find(added[i].content);
    if (piece != vocabulary.end() && piece->second != added[i].id) {
      steps[i].fail("id", fmt::format("{}, as in the vocabulary", piece->second));
    }
    if (added[i].id >= limit) steps[i].fail("id", fmt::format("an id below {}", limit));
  }
}

json parse(const std::string& text, const std::string& origin) {
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) return document;
  throw DataError(Problem{.file = origin,
                          .place = {},
                          .found = "text that is no JSON object",
                          .expected = "a tokenizer.json",
                          .cure = "save the tokenizer again with transformers' save_pretrained"});
}

}  // namespace

std::unique_ptr<TextEncoder> make_from_tokenizer_json(const std::string& serialized,
                                                      const std::string& origin) {
  const json document = parse(serialized, origin);
  const JsonStep file(document, "", origin);
  const JsonStep model = file.inner("model");
  // Older files do not name the model: only the unigram has its pieces in a list.
  const json* vocab = model.find("vocab");
  const bool is_list = vocab != nullptr && vocab->is_array();
  const std::string type = model.find("type") != nullptr ? model.type()
                           : is_list                     ? "Unigram"
                           : model.find("merges")        ? "BPE"
                                                         : "WordPiece";
  if (type == "Unigram") return make_sentencepiece(sentencepiece_from_unigram(file), origin);
  if (type != "BPE" && type != "WordPiece") model.fail("type", "BPE, WordPiece or Unigram");

  const Vocabulary vocabulary = read_vocabulary(model);
  const std::vector<AddedToken> added = read_added_tokens(file);
  check_added(file, vocabulary, added);
  AroundText around = read_post_processor(file);
  std::unique_ptr<TextEncoder> encoder;
  if (type == "BPE") {
    encoder = std::make_unique<JsonEncoder<BpeSteps>>(
        serialized, read_bpe(file, model, vocabulary, origin), vocabulary, added);
  } else {
    encoder = std::make_unique<JsonEncoder<BertSteps>>(
        serialized, read_word_piece(file, model, vocabulary), vocabulary, added);
  }
  for (const std::vector<int32_t>* ids : {&around.before, &around.after}) {
    for (const int32_t id : *ids) {
      if (id < encoder->num_pieces()) continue;
      file.fail("post_processor", fmt::format("ids below {}", encoder->num_pieces()));
    }
  }
  encoder->before = std::move(around.before);
  encoder->after = std::move(around.after);
  return encoder;
}

}  // namespace tutti::data
