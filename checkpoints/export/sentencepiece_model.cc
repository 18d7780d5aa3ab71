#include "checkpoints/export/sentencepiece_model.h"

#include <bit>

#include "data/tokenizers/message_reader.h"

namespace tutti::checkpoints {
namespace {

using data::MessageField;
using data::MessageReader;

SentencePieceModel::Piece parse_piece(std::string_view bytes, const std::string& origin) {
  SentencePieceModel::Piece piece;
  MessageReader message(bytes, origin);
  for (MessageField field; message.next(&field);) {
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
  MessageReader message(bytes, origin);
  for (MessageField field; message.next(&field);) {
    if (field.number == 1) model.pieces.push_back(parse_piece(field.bytes, origin));
    if (field.number == 2) {  // TrainerSpec
      MessageReader trainer(field.bytes, origin);
      for (MessageField spec; trainer.next(&spec);) {
        if (spec.number == 3) model.is_unigram = spec.value == kUnigram;
        if (spec.number == 35) model.byte_fallback = spec.value != 0;
      }
    }
    if (field.number == 3) {  // NormalizerSpec
      MessageReader normalizer(field.bytes, origin);
      for (MessageField spec; normalizer.next(&spec);) {
        if (spec.number == 2) model.charsmap = spec.bytes;
        if (spec.number == 3) model.add_dummy_prefix = spec.value != 0;
        if (spec.number == 4) model.remove_extra_spaces = spec.value != 0;
      }
    }
  }
  return model;
}

}  // namespace tutti::checkpoints
