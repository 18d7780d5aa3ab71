#include "data/tokenizer.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

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

void require_id(const std::string& origin, const char* name, int found, int expected) {
  if (found == expected) return;
  throw DataError(Problem{.file = origin,
                          .place = fmt::format("id of {}", name),
                          .found = std::to_string(found),
                          .expected = std::to_string(expected),
                          .cure = "give a T5 vocabulary (pad 0, eos 1, unk 2, no bos)"});
}

}  // namespace

struct Tokenizer::Impl {
  std::string bytes;
  sentencepiece::SentencePieceProcessor processor;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_bytes(std::string serialized_model, const std::string& origin) {
  auto impl = std::make_unique<Impl>();
  impl->bytes = std::move(serialized_model);
  const auto status = impl->processor.LoadFromSerializedProto(impl->bytes);
  if (!status.ok() || impl->processor.GetPieceSize() == 0) {
    throw DataError(Problem{.file = origin,
                            .place = {},
                            .found = fmt::format("{} bytes that do not parse", impl->bytes.size()),
                            .expected = "a SentencePiece model",
                            .cure = "give an unchanged spiece.model"});
  }
  require_id(origin, "pad", impl->processor.pad_id(), kPad);
  require_id(origin, "eos", impl->processor.eos_id(), kEos);
  require_id(origin, "unk", impl->processor.unk_id(), kUnk);
  require_id(origin, "bos", impl->processor.bos_id(), -1);
  return Tokenizer(std::move(impl));
}

Tokenizer Tokenizer::from_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.good() && !in.eof()) {
    throw DataError(Problem{.file = path,
                            .place = {},
                            .found = "a file that cannot be read",
                            .expected = "a SentencePiece model",
                            .cure = "check the path"});
  }
  return from_bytes(std::move(bytes), path);
}

int32_t Tokenizer::num_pieces() const {
  return impl_->processor.GetPieceSize();
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int> pieces;
  const auto status = impl_->processor.Encode(text, &pieces);
  TUTTI_CHECK(status.ok(), status.ToString());
  std::vector<int32_t> ids(pieces.begin(), pieces.end());
  ids.push_back(kEos);
  return ids;
}

std::string_view Tokenizer::piece(int32_t id) const {
  TUTTI_CHECK(id >= 0 && id < num_pieces());
  return impl_->processor.IdToPiece(id);
}

const std::string& Tokenizer::bytes() const {
  return impl_->bytes;
}

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
