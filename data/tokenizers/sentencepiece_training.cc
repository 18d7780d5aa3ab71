#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sentencepiece_trainer.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "data/tokenizer.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

// A title that names 10,000 playlists should not drown the words of the rare ones.
constexpr int64_t kMaxRepeats = 1000;

// Hands each sentence to the trainer as often as it occurs, up to kMaxRepeats, from memory: no
// temporary file, so no path can reach the model.
class RepeatedSentences : public sentencepiece::SentenceIterator {
 public:
  RepeatedSentences(const std::vector<std::string>& sentences, const std::vector<int64_t>& counts)
      : sentences_(sentences), counts_(counts) {
    settle();
  }

  bool done() const override { return row_ == sentences_.size(); }
  void Next() override {
    ++repeat_;
    settle();
  }
  const std::string& value() const override { return sentences_[row_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  void settle() {
    while (!done() && repeat_ >= std::min(counts_[row_], kMaxRepeats)) {
      ++row_;
      repeat_ = 0;
    }
  }

  const std::vector<std::string>& sentences_;
  const std::vector<int64_t>& counts_;
  size_t row_ = 0;
  int64_t repeat_ = 0;
};

// sentencepiece ends the process when no character is left to learn from: look before it does.
bool has_visible_character(std::string_view text) {
  const auto length = static_cast<int32_t>(text.size());
  for (int32_t at = 0; at < length;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), at, length, c);
    if (c >= 0 && u_isgraph(c)) return true;
  }
  return false;
}

}  // namespace

std::string train_sentencepiece(const std::vector<std::string>& sentences,
                                const std::vector<int64_t>& counts,
                                const TokenizerTraining& options) {
  TUTTI_CHECK(sentences.size() == counts.size());
  bool any_text = false;
  for (size_t i = 0; i < sentences.size() && !any_text; ++i) {
    any_text = counts[i] > 0 && has_visible_character(sentences[i]);
  }
  if (!any_text) throw DataError("cannot train a vocabulary: there are no titles with text");
  RepeatedSentences iterator(sentences, counts);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      {
          {"model_type", "unigram"},
          {"vocab_size", std::to_string(options.num_pieces)},
          {"hard_vocab_limit", "false"},
          {"character_coverage", fmt::format("{}", options.character_coverage)},
          {"normalization_rule_name", "nmt_nfkc_cf"},
          {"byte_fallback", "true"},
          {"pad_id", "0"},
          {"eos_id", "1"},
          {"unk_id", "2"},
          {"bos_id", "-1"},
          {"num_threads", "1"},  // sums of floats in one order: the same bytes
          {"minloglevel", "100"},
      },
      &iterator, &model);
  if (!status.ok()) {
    throw DataError(Problem{
        .file = "vocabulary training",
        .place = {},
        .found = fmt::format("{} distinct titles, {} pieces: {}", sentences.size(),
                             options.num_pieces, status.ToString()),
        .expected =
            "titles with text, and room for 256 bytes, 3 special pieces and every character",
        .cure = "raise the number of pieces"});
  }
  return model;
}

}  // namespace tutti::data
