#include "data/tokenizers/message_reader.h"

#include <fmt/core.h>

#include "dist/runtime/errors.h"

namespace tutti::data {

bool MessageReader::next(MessageField* field) {
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

uint64_t MessageReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1).front());
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  fail("a number of more than 64 bits");
}

uint64_t MessageReader::fixed(size_t num_bytes) {
  const std::string_view bytes = take(num_bytes);
  uint64_t value = 0;
  for (size_t i = num_bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string_view MessageReader::take(uint64_t num_bytes) {
  if (num_bytes > rest_.size()) fail("an end in the middle of a field");
  const std::string_view taken = rest_.substr(0, num_bytes);
  rest_.remove_prefix(num_bytes);
  return taken;
}

void MessageReader::fail(const std::string& found) const {
  throw DataError(Problem{.file = origin_,
                          .place = {},
                          .found = found,
                          .expected = "a SentencePiece model",
                          .cure = {}});
}

}  // namespace tutti::data
