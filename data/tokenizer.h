#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::data {

// A SentencePiece model with T5's conventions: pad 0, eos 1, unk 2, no bos. Its bytes are
// spiece.model.
class Tokenizer {
 public:
  // DataError when the bytes are no SentencePiece model or the special ids differ. `origin`: path
  // or role, for the message.
  static Tokenizer from_bytes(std::string serialized_model, const std::string& origin);
  static Tokenizer from_file(const std::string& path);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  int32_t num_pieces() const;
  std::vector<int32_t> encode(std::string_view text) const;  // pieces followed by eos; never empty
  std::string_view piece(int32_t id) const;
  const std::string& bytes() const;

  static constexpr int32_t kPad = 0, kEos = 1, kUnk = 2;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

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
