#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"

namespace tutti::data {

// A token that is found in the text itself, before the model's own splitting.
struct AddedToken {
  std::string content;  // UTF-8, not empty
  int32_t id = 0;
  bool special = false;
  bool normalized = false;              // looked for in normalised text
  bool single_word = false;             // only between characters that belong to no word
  bool lstrip = false, rstrip = false;  // takes in the blanks before, behind it
};

// A stretch of text, or an added token (id >= 0).
struct TextPiece {
  std::string_view text;
  int32_t id = -1;
};

// Finds added tokens, leftmost first and of those the longest.
class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);
  AddedTokens(AddedTokens&&) noexcept = default;
  AddedTokens& operator=(AddedTokens&&) noexcept = default;
  AddedTokens(const AddedTokens&) = delete;  // by_first_byte_ points into tokens_
  AddedTokens& operator=(const AddedTokens&) = delete;
  ~AddedTokens() = default;

  bool empty() const { return tokens_.empty(); }
  // Cuts valid UTF-8 at the tokens. With kAsText special ones are not looked for.
  std::vector<TextPiece> split(std::string_view text, SpecialText special) const;

 private:
  const AddedToken* match_at(std::string_view text, size_t at, SpecialText special) const;

  std::vector<AddedToken> tokens_;                                 // longest first
  std::array<std::vector<const AddedToken*>, 256> by_first_byte_;  // longest first
};

}  // namespace tutti::data
