#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"

namespace tutti::data {

// One kind of tokenizer behind Tokenizer.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  virtual int32_t num_pieces() const = 0;
  // Appends the ids of a part of a text.
  virtual void encode(std::string_view text, SpecialText special,
                      std::vector<int32_t>& ids) const = 0;
  virtual std::string_view piece(int32_t id) const = 0;  // id in [0, num_pieces)
  // Where in a text the last special token that it spells ends (0: none), and the first begins (its
  // size: none).
  virtual size_t end_of_last_special(std::string_view) const { return 0; }
  virtual size_t begin_of_first_special(std::string_view text) const { return text.size(); }

  std::string bytes;                   // the file it was made of
  const char* file_name;               // of these bytes
  std::vector<int32_t> before, after;  // ids around a whole text
};

}  // namespace tutti::data
