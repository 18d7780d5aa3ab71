#include "data/tokenizers/added_tokens.h"

#include <algorithm>
#include <utility>

#include <unicode/uchar.h>
#include <unicode/utf8.h>

namespace tutti::data {
namespace {

bool is_blank(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_WHITE_SPACE) != 0;
}

// What \w is to the regular expressions of huggingface/tokenizers.
bool is_word(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) != 0 || u_isdigit(c) != 0 ||
         (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) != 0;
}

UChar32 before(std::string_view text, size_t at) {
  UChar32 c = 0;
  auto i = static_cast<int32_t>(at);
  U8_PREV(text.data(), 0, i, c);
  return c;
}
UChar32 behind(std::string_view text, size_t at) {
  UChar32 c = 0;
  auto i = static_cast<int32_t>(at);
  U8_NEXT(text.data(), i, static_cast<int32_t>(text.size()), c);
  return c;
}
size_t length_of(UChar32 c) {
  return U8_LENGTH(c);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::ranges::stable_sort(tokens_, std::greater<>(),
                           [](const AddedToken& t) { return t.content.size(); });
  for (const AddedToken& token : tokens_) {
    by_first_byte_[static_cast<unsigned char>(token.content.front())].push_back(&token);
  }
}

const AddedToken* AddedTokens::match_at(std::string_view text, size_t at,
                                        SpecialText special) const {
  for (const AddedToken* token : by_first_byte_[static_cast<unsigned char>(text[at])]) {
    if (token->special && special == SpecialText::kAsText) continue;
    if (text.substr(at).starts_with(token->content)) return token;
  }
  return nullptr;
}

std::vector<TextPiece> AddedTokens::split(std::string_view text, SpecialText special) const {
  std::vector<TextPiece> pieces;
  size_t start = 0;  // of what no piece holds yet
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = match_at(text, at, special);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t first = at, last = at + token->content.size();
    at = last;
    if (token->single_word && ((first > 0 && is_word(before(text, first))) ||
                               (last < text.size() && is_word(behind(text, last))))) {
      continue;
    }
    while (token->lstrip && first > start && is_blank(before(text, first))) {
      first -= length_of(before(text, first));
    }
    while (token->rstrip && last < text.size() && is_blank(behind(text, last))) {
      last += length_of(behind(text, last));
    }
    if (first > start) pieces.push_back({text.substr(start, first - start)});
    pieces.push_back({text.substr(first, last - first), token->id});
    start = last;
    at = std::max(at, last);
  }
  if (start < text.size()) pieces.push_back({text.substr(start)});
  return pieces;
}

}  // namespace tutti::data
