#include "data/tokenizers/unigram_json.h"

#include <bit>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "data/tokenizers/charsmap.h"

namespace tutti::data {
namespace {

using nlohmann::json;

// Fields of a protocol buffer message (numbers: google/sentencepiece, sentencepiece_model.proto).
class MessageWriter {
 public:
  void number(uint32_t field, uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void text(uint32_t field, const std::string& value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  void real(uint32_t field, float value) {
    varint(field << 3 | 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

std::string from_base64(const JsonStep& step, const char* field) {
  const std::string text = step.text(field, "");
  std::string bytes(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (text.size() % 4 != 0 || length != static_cast<int>(bytes.size())) {
    step.fail(field, "a table in base64");
  }
  for (size_t i = text.size(); i > 0 && text[i - 1] == '='; --i) bytes.pop_back();
  return bytes;
}

// What SentencePiece does between its table and the pieces is written down in several ways that
// come to the same: blanks at the ends go, runs become one.
bool is_blank_step(const JsonStep& step) {
  if (step.type() == "Strip") return true;
  if (step.type() != "Replace") return false;
  const json* pattern = step.find("pattern");
  const json regex =
      pattern != nullptr && pattern->is_object() ? pattern->value("Regex", json()) : json();
  return regex == " {2,}" || regex == "^ +| +$";
}

// The table, "" without one.
std::string read_normalizer(const JsonStep& step) {
  const std::string type = step.type();
  if (type == "Precompiled") {
    std::string table = from_base64(step, "precompiled_charsmap");
    if (!is_sound_charsmap(table)) step.fail("precompiled_charsmap", "a sound table in base64");
    return table;
  }
  if (type != "Sequence") {
    if (is_blank_step(step)) return "";
    step.fail("type", "Precompiled, and Replace or Strip of blanks, as T5 has them");
  }
  std::string table;
  for (const JsonStep& inner : step.list("normalizers")) {
    if (inner.type() == "Precompiled") {
      table = read_normalizer(inner);
    } else if (!is_blank_step(inner)) {
      inner.fail("", "Precompiled, and Replace or Strip of blanks, as T5 has them");
    }
  }
  return table;
}

void check_pre_tokenizer(const JsonStep& step) {
  const std::string type = step.type();
  if (type == "Sequence") {
    for (const JsonStep& inner : step.list("pretokenizers")) check_pre_tokenizer(inner);
  } else if (type == "Metaspace") {
    step.require("prepend_scheme", {"always"});
    step.require("add_prefix_space", {true});
  } else if (type != "WhitespaceSplit") {
    step.fail("type", "Metaspace, with WhitespaceSplit or without, as T5 has them");
  }
}

}  // namespace

std::string sentencepiece_from_unigram(const JsonStep& file) {
  constexpr size_t kUnk = 2;  // behind pad and eos
  constexpr uint64_t kUnigram = 1, kUnknown = 2, kControl = 3, kByte = 6;
  const std::string table =
      file.find("normalizer") == nullptr ? "" : read_normalizer(file.inner("normalizer"));
  check_pre_tokenizer(file.inner("pre_tokenizer"));
  const JsonStep model = file.inner("model");
  const json* vocab = model.find("vocab");
  if (vocab == nullptr || !vocab->is_array() || vocab->size() < 3) {
    model.fail("vocab", "a list of pieces and scores: pad, eos, unk and more");
  }
  if (model.whole("unk_id", -1) != kUnk) model.fail("unk_id", "2, as T5 has it");
  const bool byte_fallback = model.flag("byte_fallback", false);

  std::set<std::string> added;
  for (const AddedToken& token : read_added_tokens(file)) added.insert(token.content);
  size_t num_pieces = vocab->size();
  const auto is_piece = [](const json& piece) {
    return piece.is_array() && piece.size() == 2 && piece[0].is_string() && piece[1].is_number();
  };
  for (size_t i = 0; i < num_pieces; ++i) {
    if (!is_piece((*vocab)[i]))
      model.fail("vocab", fmt::format("a text and a score as piece {}", i));
  }
  for (size_t i = 0; i < kUnk; ++i) {
    const auto text = (*vocab)[i][0].get<std::string>();
    if (!added.contains(text)) {
      model.fail("vocab", fmt::format("{} as piece {}, not '{}'", i == 0 ? "pad" : "eos", i, text));
    }
  }
  while (num_pieces > 3 && added.contains((*vocab)[num_pieces - 1][0].get<std::string>())) {
    --num_pieces;
  }

  MessageWriter message;
  for (size_t i = 0; i < num_pieces; ++i) {
    const auto text = (*vocab)[i][0].get<std::string>();
    const bool is_byte = byte_fallback && text.size() == 6 && text.starts_with("<0x");
    MessageWriter piece;
    piece.text(1, text);
    piece.real(2, (*vocab)[i][1].get<float>());
    if (i == kUnk) {
      piece.number(3, kUnknown);
    } else if (is_byte) {
      piece.number(3, kByte);
    } else if (i < kUnk) {
      piece.number(3, kControl);
    }
    message.text(1, piece.bytes());
  }
  MessageWriter trainer;
  trainer.number(3, kUnigram);
  trainer.number(35, byte_fallback ? 1 : 0);
  // Spellings of unk, eos and pad, by which the library finds their ids.
  const auto spelling = [&](size_t i) { return (*vocab)[i][0].get<std::string>(); };
  trainer.text(45, spelling(2));
  trainer.text(47, spelling(1));
  trainer.text(48, spelling(0));
  message.text(2, trainer.bytes());
  MessageWriter normalizer;
  if (!table.empty()) normalizer.text(2, table);
  message.text(3, normalizer.bytes());
  return message.bytes();
}

}  // namespace tutti::data
