#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::checkpoints {

// What other tokenizer formats need to know of a SentencePiece model. The library gives pieces and
// scores but not the normalisation table, so the protocol buffer is read here (field numbers:
// google/sentencepiece, src/sentencepiece_model.proto).
struct SentencePieceModel {
  enum class Type : int32_t {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  struct Piece {
    std::string text;  // UTF-8
    float score = 0;   // log probability
    Type type = Type::kNormal;
  };
  std::vector<Piece> pieces;     // by id
  bool is_unigram = true;        // else BPE, words or characters
  bool byte_fallback = false;    // unknown characters become <0xNN> pieces
  std::string charsmap;          // the compiled normalisation rules, empty when there are none
  bool add_dummy_prefix = true;  // text starts with a space
  bool remove_extra_spaces = true;
};

// DataError when the bytes are no such protocol buffer. `origin`: path, for the message.
SentencePieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& origin);

}  // namespace tutti::checkpoints
