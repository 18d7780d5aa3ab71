#include "checkpoints/export/sentencepiece_model.h"

#include <bit>
#include <cstring>

#include <fmt/core.h>

#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

// One field of a protocol buffer message: a number (wire types 0, 1, 5) or bytes (wire type 2).
struct Field {
  uint32_t number = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

// Walks over the fields of one message.
class Message {
 public:
  Message(std::string_view bytes, const std::string& origin) : rest_(bytes), origin_(origin) {}

  bool next(Field* field) {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    *field = {.number = static_cast<uint32_t>(key >> 3), .value = 0, .bytes = {}};
    switch (key & 7) {
      case 0:
        field->value = varint();
        break;
      case 1:
        field->value = fixed(8);
        break;
      case 2:
        field->bytes = take(varint());
        break;
      case 5:
        field->value = fixed(4);
        break;
      default:
        fail(fmt::format("wire type {}", key & 7));
    }
    return true;
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    fail("a number of more than 64 bits");
  }

  uint64_t fixed(size_t num_bytes) {
    const std::string_view bytes = take(num_bytes);
    uint64_t value = 0;
    for (size_t i = num_bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }

  std::string_view take(uint64_t num_bytes) {
    if (num_bytes > rest_.size()) fail("an end in the middle of a field");
    const std::string_view taken = rest_.substr(0, num_bytes);
    rest_.remove_prefix(num_bytes);
    return taken;
  }

  [[noreturn]] void fail(const std::string& found) const {
    throw DataError(Problem{.file = origin_,
                            .place = {},
                            .found = found,
                            .expected = "a SentencePiece model",
                            .cure = {}});
  }

  std::string_view rest_;
  const std::string& origin_;
};

SentencePieceModel::Piece parse_piece(std::string_view bytes, const std::string& origin) {
  SentencePieceModel::Piece piece;
  Message message(bytes, origin);
  for (Field field; message.next(&field);) {
    if (field.number == 1) piece.text = field.bytes;
    if (field.number == 2) piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    if (field.number == 3) piece.type = static_cast<SentencePieceModel::Type>(field.value);
  }
  return piece;
}

}  // namespace

SentencePieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& origin) {
  constexpr uint64_t kUnigram = 1;
  SentencePieceModel model;
  Message message(bytes, origin);
  for (Field field; message.next(&field);) {
    if (field.number == 1) model.pieces.push_back(parse_piece(field.bytes, origin));
    if (field.number == 2) {  // TrainerSpec
      Message trainer(field.bytes, origin);
      for (Field spec; trainer.next(&spec);) {
        if (spec.number == 3) model.is_unigram = spec.value == kUnigram;
        if (spec.number == 35) model.byte_fallback = spec.value != 0;
      }
    }
    if (field.number == 3) {  // NormalizerSpec
      Message normalizer(field.bytes, origin);
      for (Field spec; normalizer.next(&spec);) {
        if (spec.number == 2) model.charsmap = spec.bytes;
        if (spec.number == 3) model.add_dummy_prefix = spec.value != 0;
        if (spec.number == 4) model.remove_extra_spaces = spec.value != 0;
      }
    }
  }
  return model;
}

}  // namespace tutti::checkpoints
