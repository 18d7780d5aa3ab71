#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tutti::data {

// How BERT's text is cleaned before it is cut (the "BertNormalizer" of huggingface/tokenizers).
struct BertCleaning {
  bool clean_text = true;            // control characters go, all blanks become ' '
  bool handle_chinese_chars = true;  // CJK ideographs stand alone
  bool strip_accents = true;
  bool lowercase = true;
};

// The cleaned text; `text` is valid UTF-8.
std::string bert_cleaned(std::string_view text, const BertCleaning& cleaning);
// Its words: cut at blanks, which go, and around each punctuation sign.
std::vector<std::string_view> bert_words(std::string_view cleaned);

// WordPiece (Schuster and Nakajima 2012, as in BERT): a word becomes the longest pieces of the
// vocabulary from left to right, or `unknown` as a whole.
class WordPiece {
 public:
  struct Options {
    int32_t unknown = 0;
    std::string continuing = "##";  // in front of pieces that do not begin a word
    int64_t longest_word = 100;     // characters; longer words are unknown
  };
  WordPiece(std::unordered_map<std::string, int32_t> vocabulary, Options options);

  void encode(std::string_view word, std::vector<int32_t>& ids) const;

 private:
  std::unordered_map<std::string, int32_t> vocabulary_;
  size_t longest_piece_ = 0;  // bytes
  Options options_;
};

}  // namespace tutti::data
