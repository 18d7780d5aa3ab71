#include <vector>

#include <fmt/core.h>
#include <openssl/evp.h>

#include "checkpoints/export/hf_parts.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

using nlohmann::json;
using Type = SentencePieceModel::Type;

constexpr int kPad = 0, kEos = 1, kUnk = 2;
constexpr const char* kSpace = "\xe2\x96\x81";  // U+2581, SentencePiece's visible space

std::string base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

struct AddedToken {
  int64_t id;
  std::string text;
  bool special;
};

// ID tokens are added but not special: special tokens vanish when IDs are decoded to text. Rows
// between the pieces and the first ID token (a model padded to a round size) get names too, since
// readers number added tokens without gaps.
std::vector<AddedToken> added_tokens(const SentencePieceModel& model, int64_t text_rows,
                                     const ids::IdTable& table) {
  std::vector<AddedToken> tokens;
  for (const int id : {kPad, kEos, kUnk}) {
    tokens.push_back({id, model.pieces[static_cast<size_t>(id)].text, true});
  }
  const auto num_pieces = static_cast<int64_t>(model.pieces.size());
  for (int64_t row = num_pieces; row < text_rows; ++row) {
    tokens.push_back({row, fmt::format("<unused_{}>", row), true});
  }
  for (int32_t token = 0; token < table.num_tokens(); ++token) {
    tokens.push_back({text_rows + token, table.token_name(token), false});
  }
  return tokens;
}

// SentencePiece's own steps: its rules, spaces joined and trimmed, then one in front.
json normalizer(const SentencePieceModel& model) {
  json steps = json::array();
  if (!model.charsmap.empty()) {
    steps.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", base64(model.charsmap)}});
  }
  const auto replace = [&steps](const char* pattern, const char* text) {
    steps.push_back({{"type", "Replace"}, {"pattern", {{"Regex", pattern}}}, {"content", text}});
  };
  replace("^ +| +$", "");
  replace(" {2,}", " ");
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

json end_of_text() {
  const auto text = [](const char* id, int type) {
    return json{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  const auto eos = [](int type) {
    return json{{"SpecialToken", {{"id", "</s>"}, {"type_id", type}}}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", {text("A", 0), eos(0)}},
          {"pair", {text("A", 0), eos(0), text("B", 0), eos(0)}},
          {"special_tokens", {{"</s>", {{"id", "</s>"}, {"ids", {kEos}}, {"tokens", {"</s>"}}}}}}};
}

json unigram(const SentencePieceModel& model) {
  json vocab = json::array();
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    vocab.push_back({piece.text, static_cast<double>(piece.score)});
  }
  return {{"type", "Unigram"},
          {"unk_id", kUnk},
          {"vocab", vocab},
          {"byte_fallback", model.byte_fallback}};
}

void require_t5_form(const SentencePieceModel& model, const std::string& origin,
                     int64_t text_rows) {
  const auto fail = [&origin](const std::string& found, const std::string& expected) {
    throw DataError(Problem{.file = origin,
                            .place = {},
                            .found = found,
                            .expected = expected,
                            .cure = "train with a T5 vocabulary"});
  };
  const auto num_pieces = static_cast<int64_t>(model.pieces.size());
  if (!model.is_unigram) fail("a model that is not unigram", "a unigram model");
  if (!model.add_dummy_prefix || !model.remove_extra_spaces) {
    fail("a model that keeps spaces as they are", "one that joins spaces and adds one in front");
  }
  if (num_pieces <= kUnk || num_pieces > text_rows) {
    fail(fmt::format("{} pieces", num_pieces),
         fmt::format("at most the model's {} text rows", text_rows));
  }
  const auto type_of = [&model](int id) { return model.pieces[static_cast<size_t>(id)].type; };
  if (type_of(kPad) != Type::kControl || type_of(kEos) != Type::kControl ||
      type_of(kUnk) != Type::kUnknown || model.pieces[kEos].text != "</s>") {
    fail("other special pieces", "pad 0, </s> 1, unk 2");
  }
}

}  // namespace

json added_token(const std::string& text, bool special) {
  return {{"content", text}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false},  {"special", special}};
}

HfTokenizerFiles hf_tokenizer_files(const SentencePieceModel& model, const std::string& origin,
                                    int64_t text_rows, const ids::IdTable& table) {
  require_t5_form(model, origin, text_rows);
  const auto name = [&model](int id) { return model.pieces[static_cast<size_t>(id)].text; };
  HfTokenizerFiles files;
  files.special_tokens_map = {
      {"pad_token", name(kPad)}, {"eos_token", name(kEos)}, {"unk_token", name(kUnk)}};

  json added = json::array();
  json decoder = json::object();
  files.added_tokens = json::object();
  for (const AddedToken& token : added_tokens(model, text_rows, table)) {
    json entry = added_token(token.text, token.special);
    decoder[std::to_string(token.id)] = entry;
    entry["id"] = token.id;
    added.push_back(entry);
    if (token.id >= static_cast<int64_t>(model.pieces.size())) {
      files.added_tokens[token.text] = token.id;
    }
  }
  const json metaspace = {{"type", "Metaspace"},
                          {"replacement", kSpace},
                          {"prepend_scheme", "always"},
                          {"split", true}};
  files.tokenizer = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", normalizer(model)},
                     {"pre_tokenizer", metaspace},
                     {"post_processor", end_of_text()},
                     {"decoder", metaspace},
                     {"model", unigram(model)}};
  // Not "T5Tokenizer": transformers 5 would then take only the pieces from tokenizer.json and build
  // the rest itself, without byte fallback. The slow class still opens the folder by its name.
  files.tokenizer_config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                            {"model_input_names", {"input_ids", "attention_mask"}},
                            {"extra_ids", 0},
                            {"additional_special_tokens", json::array()},
                            {"legacy", true},
                            {"clean_up_tokenization_spaces", false},
                            {"model_max_length", 512},
                            {"pad_token", name(kPad)},
                            {"eos_token", name(kEos)},
                            {"unk_token", name(kUnk)},
                            {"added_tokens_decoder", decoder}};
  return files;
}

}  // namespace tutti::checkpoints
