#include "data/tokenizers/word_piece.h"

#include <algorithm>
#include <utility>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

bool is_blank(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_WHITE_SPACE) != 0;
}

// huggingface/tokenizers takes the categories below from tables of Unicode 8.
bool is_of(UChar32 c, uint32_t categories) {
  constexpr uint8_t kUnicode = 8;
  if ((U_GET_GC_MASK(c) & categories) == 0) return false;
  UVersionInfo age;
  u_charAge(c, age);
  return age[0] <= kUnicode;
}

bool is_control(UChar32 c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return is_of(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK);
}

// The blocks that BERT's authors list, not all of CJK.
bool is_ideograph(UChar32 c) {
  constexpr std::pair<UChar32, UChar32> kBlocks[] = {
      {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
      {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::ranges::any_of(
      kBlocks, [c](const auto& block) { return c >= block.first && c <= block.second; });
}

bool is_punctuation(UChar32 c) {
  const bool is_ascii_sign = (c >= 0x21 && c <= 0x2f) || (c >= 0x3a && c <= 0x40) ||
                             (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
  return is_ascii_sign || is_of(c, U_GC_P_MASK);
}

icu::UnicodeString from_utf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

// Hands each character to `visit` with the text that the results are appended to.
template <typename Visit>
void rewrite(icu::UnicodeString& text, Visit&& visit) {
  icu::UnicodeString out;
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) visit(text.char32At(i), out);
  text = std::move(out);
}

}  // namespace

std::string bert_cleaned(std::string_view text, const BertCleaning& cleaning) {
  constexpr UChar32 kReplacement = 0xFFFD, kCapitalIWithDot = 0x130;
  icu::UnicodeString clean = from_utf8(text);
  if (cleaning.clean_text) {
    rewrite(clean, [](UChar32 c, icu::UnicodeString& out) {
      if (c == 0 || c == kReplacement || is_control(c)) return;
      out.append(is_blank(c) ? UChar32{' '} : c);
    });
  }
  if (cleaning.handle_chinese_chars) {
    rewrite(clean, [](UChar32 c, icu::UnicodeString& out) {
      if (is_ideograph(c)) {
        out.append(u' ').append(c).append(u' ');
      } else {
        out.append(c);
      }
    });
  }
  if (cleaning.strip_accents) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(status);
    clean = nfd->normalize(clean, status);
    TUTTI_CHECK(U_SUCCESS(status) != 0, u_errorName(status));
    rewrite(clean, [](UChar32 c, icu::UnicodeString& out) {
      if (!is_of(c, U_GC_MN_MASK)) out.append(c);
    });
  }
  if (cleaning.lowercase) {
    rewrite(clean, [](UChar32 c, icu::UnicodeString& out) {
      out.append(u_tolower(c));
      if (c == kCapitalIWithDot) out.append(u'\u0307');  // the one character that becomes two
    });
  }
  std::string cleaned;
  clean.toUTF8String(cleaned);
  return cleaned;
}

std::vector<std::string_view> bert_words(std::string_view cleaned) {
  std::vector<std::string_view> words;
  const auto length = static_cast<int64_t>(cleaned.size());
  int64_t start = 0;  // of the word that is open
  const auto close = [&](int64_t end) {
    if (end > start) words.push_back(cleaned.substr(start, end - start));
  };
  for (int64_t at = 0; at < length;) {
    const int64_t first = at;
    UChar32 c = 0;
    U8_NEXT(cleaned.data(), at, length, c);
    const bool is_sign = is_punctuation(c);
    if (!is_sign && !is_blank(c)) continue;
    close(first);
    if (is_sign) words.push_back(cleaned.substr(first, at - first));
    start = at;
  }
  close(length);
  return words;
}

WordPiece::WordPiece(std::unordered_map<std::string, int32_t> vocabulary, Options options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  for (const auto& [spelling, id] : vocabulary_) {
    longest_piece_ = std::max(longest_piece_, spelling.size());
  }
}

void WordPiece::encode(std::string_view word, std::vector<int32_t>& ids) const {
  const int64_t num_characters =
      std::ranges::count_if(word, [](char c) { return !U8_IS_TRAIL(static_cast<uint8_t>(c)); });
  if (num_characters > options_.longest_word) {
    ids.push_back(options_.unknown);
    return;
  }
  const size_t num_before = ids.size();
  std::string piece;
  for (size_t at = 0; at < word.size();) {
    const std::string& front = at == 0 ? std::string() : options_.continuing;
    size_t length = std::min(word.size() - at, longest_piece_);
    auto found = vocabulary_.end();
    for (; length > 0; --length) {
      piece = front;
      piece += word.substr(at, length);
      found = vocabulary_.find(piece);
      if (found != vocabulary_.end()) break;
    }
    if (length == 0) {
      ids.resize(num_before);
      ids.push_back(options_.unknown);
      return;
    }
    ids.push_back(found->second);
    at += length;
  }
}

}  // namespace tutti::data
