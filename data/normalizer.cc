#include "data/normalizer.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

enum class Kind { kBlank, kText, kMark, kEmoji, kApostrophe };

bool is_apostrophe(UChar32 c) {
  return c == U'\'' || c == U'\u2018' || c == U'\u2019' || c == U'\u02BC' || c == U'`' ||
         c == U'\u00B4';
}

// Emoji of this ICU's Unicode and, in the plane of pictures, those of later ones. Below that plane
// the pictographic property takes in signs such as a note or a star.
bool is_emoji(UChar32 c) {
  constexpr UChar32 kFirstPicture = 0x1F000;
  if (c < 0x100 || u_hasBinaryProperty(c, UCHAR_EMOJI_MODIFIER)) return false;  // (c), (r)
  return u_hasBinaryProperty(c, UCHAR_EMOJI) ||
         (c >= kFirstPicture && u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC));
}

Kind kind_of(UChar32 c) {
  constexpr UChar32 kEnclosingKeycap = 0x20E3;
  const uint32_t category = U_GET_GC_MASK(c);
  if (c == U'\'') return Kind::kApostrophe;
  if ((category & (U_GC_L_MASK | U_GC_N_MASK)) != 0) return Kind::kText;
  if ((category & U_GC_M_MASK) != 0 && c != kEnclosingKeycap) return Kind::kMark;
  return is_emoji(c) ? Kind::kEmoji : Kind::kBlank;
}

icu::UnicodeString from_utf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

icu::UnicodeString fold(const icu::UnicodeString& text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* folding = icu::Normalizer2::getNFKCCasefoldInstance(status);
  icu::UnicodeString folded = folding->normalize(text, status);
  TUTTI_CHECK(U_SUCCESS(status) != 0, u_errorName(status));
  return folded;
}

bool is_text_at(const icu::UnicodeString& text, int32_t i) {
  return i < text.length() && kind_of(text.char32At(i)) == Kind::kText;
}

}  // namespace

std::string normalize_title(std::string_view title) {
  // NFKC would take some apostrophes apart, so they are made equal first.
  icu::UnicodeString plain = from_utf8(title);
  for (int32_t i = 0; i < plain.length(); ++i) {
    if (is_apostrophe(plain.charAt(i))) plain.setCharAt(i, u'\'');
  }
  const icu::UnicodeString folded = fold(plain);

  icu::UnicodeString out;
  Kind last = Kind::kBlank;  // of what `out` ends with: blank, text or emoji
  bool blank_wanted = false;
  for (int32_t i = 0; i < folded.length(); i = folded.moveIndex32(i, 1)) {
    const UChar32 c = folded.char32At(i);
    const Kind kind = kind_of(c);
    const bool after_text = last == Kind::kText && !blank_wanted;
    if (kind == Kind::kApostrophe && after_text && is_text_at(folded, i + 1)) continue;
    if (kind == Kind::kMark && after_text) {
      out.append(c);
    } else if (kind == Kind::kText || kind == Kind::kEmoji) {
      if (last != Kind::kBlank && (blank_wanted || kind != last)) out.append(u' ');
      out.append(c);
      last = kind;
      blank_wanted = false;
    } else {
      blank_wanted = true;
    }
  }
  std::string result;
  fold(out).toUTF8String(result);  // characters that were apart may compose
  return result;
}

std::vector<std::string_view> words_of(std::string_view normalized) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin < normalized.size();) {
    const size_t end = std::min(normalized.find(' ', begin), normalized.size());
    if (end > begin) words.push_back(normalized.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, text.size(), c);
    if (c < 0) return false;
  }
  return true;
}

std::string to_valid_utf8(std::string_view text) {
  std::string result;
  from_utf8(text).toUTF8String(result);
  return result;
}

}  // namespace tutti::data
