#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tutti::data {

// What titles are compared by. The rules, in order:
//  1. invalid UTF-8 becomes U+FFFD (which rule 4 makes a blank);
//  2. NFKC and case folding (Unicode's NFKC_Casefold): full-width forms, ligatures and letter case
//     go, and so do invisible characters such as joiners and variation selectors;
//  3. an apostrophe between two letters or digits is dropped ("don't" -> "dont", "80's" -> "80s"),
//     any other becomes a blank;
//  4. letters, digits, and marks that follow one are kept; emoji are kept, with a blank between
//  them
//     and text; skin tones, other symbols, punctuation and control characters become blanks;
//  5. runs of blanks become one, those at the ends go.
// Empty when nothing is left. Normalising twice changes nothing.
std::string normalize_title(std::string_view title);

// The words of a normalised title; they point into it.
std::vector<std::string_view> words_of(std::string_view normalized);

bool is_valid_utf8(std::string_view text);
// The text with every invalid sequence replaced by U+FFFD.
std::string to_valid_utf8(std::string_view text);

}  // namespace tutti::data
