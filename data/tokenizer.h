#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::data {

class TextEncoder;

// What text that spells a special token ("<|im_end|>", "[SEP]") becomes.
enum class SpecialText {
  kAsText,    // what users write: never a special token
  kAsTokens,  // what templates hold
};

// Text to the ids that a model reads. Three kinds behind one face: SentencePiece with T5's
// conventions (pad 0, eos 1, unk 2, no bos), byte-level BPE (GPT-2, Llama 3, SmolLM2, Qwen2) and
// WordPiece (BERT). Text that is not UTF-8 reads as if U+FFFD stood there.
class Tokenizer {
 public:
  // The bytes of a spiece.model or a tokenizer.json; they tell which. A tokenizer.json with a
  // unigram model becomes a SentencePiece model. DataError when the bytes are neither, or a step of
  // tokenizer.json is none that is followed exactly. `origin`: path or role, for the message.
  static Tokenizer from_bytes(std::string serialized, const std::string& origin);
  static Tokenizer from_file(const std::string& path);
  // spiece.model of the folder, or else its tokenizer.json. DataError when there is neither.
  static Tokenizer from_folder(const std::filesystem::path& folder);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  int32_t num_pieces() const;  // ids are below
  // A whole text as the model reads it: in the prompt, if one is set, and with the tokens that its
  // kind adds: T5's eos behind, BERT's [CLS] and [SEP] around, Llama 3's bos in front. Special
  // tokens in the text stay text.
  std::vector<int32_t> encode(std::string_view text) const;
  // From here on encode() puts its text in place of "{title}". Special tokens that the prompt
  // spells are tokens; words of it that touch the title are cut into pieces together with it.
  // DataError unless is_prompt(prompt).
  void set_prompt(const std::string& prompt);
  // A part of a text: nothing is added.
  std::vector<int32_t> encode_part(std::string_view text, SpecialText special) const;
  std::string_view piece(int32_t id) const;  // as the vocabulary spells it
  // What encode() puts behind a text last; -1: nothing.
  int32_t end_of_text() const;

  // What to store beside a model, and under which name: "spiece.model" or "tokenizer.json".
  const std::string& bytes() const;
  const char* file_name() const;

  static constexpr int32_t kPad = 0, kEos = 1, kUnk = 2;  // of T5's vocabularies

 private:
  explicit Tokenizer(std::unique_ptr<TextEncoder> encoder);
  std::unique_ptr<TextEncoder> encoder_;
  // What the prompt puts around a title: tokens, and the text that touches it.
  std::vector<int32_t> tokens_before_, tokens_after_;
  std::string text_before_, text_after_;
};

constexpr const char* kTitlePlace = "{title}";
// Whether a prompt has one place for the title.
bool is_prompt(std::string_view prompt);

struct TokenizerTraining {
  int32_t num_pieces = 4000;           // an upper bound: a small corpus gives fewer
  double character_coverage = 0.9995;  // rest falls back to bytes
};

// Trains a unigram model (nmt_nfkc_cf normalisation, byte fallback) on weighted sentences: the same
// bytes for the same input. `sentences`: distinct titles; `counts`: how often each occurs (same
// size). DataError when there is no text.
std::string train_sentencepiece(const std::vector<std::string>& sentences,
                                const std::vector<int64_t>& counts,
                                const TokenizerTraining& options);

}  // namespace tutti::data
