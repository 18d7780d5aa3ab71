#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tutti::data {

// One field of a protocol buffer message: a number (wire types 0, 1, 5) or bytes (wire type 2).
struct MessageField {
  uint32_t number = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

// Walks over the fields of one message of a SentencePiece model, whose library hands out pieces and
// scores only (field numbers: google/sentencepiece, src/sentencepiece_model.proto). Bytes and
// `origin`, the path for errors, outlive it.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, const std::string& origin)
      : rest_(bytes), origin_(origin) {}

  bool next(MessageField* field);  // false at the end; DataError where the bytes are no message

 private:
  uint64_t varint();
  uint64_t fixed(size_t num_bytes);
  std::string_view take(uint64_t num_bytes);
  [[noreturn]] void fail(const std::string& found) const;

  std::string_view rest_;
  const std::string& origin_;
};

}  // namespace tutti::data
