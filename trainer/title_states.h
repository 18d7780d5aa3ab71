#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

// Titles as their tokens, each once: shorter ones first, then by tokens, whatever order they came
// in.
class TitleList {
 public:
  explicit TitleList(std::vector<std::vector<int32_t>> titles);

  int64_t size() const { return std::ssize(titles_); }
  std::span<const int32_t> operator[](int64_t i) const { return titles_[i]; }
  int64_t find(std::span<const int32_t> tokens) const;  // of a title that is there
  TitleInputs inputs(int64_t first, int64_t last) const;

 private:
  std::vector<std::vector<int32_t>> titles_;
};

// The spellings of the titles of training playlists, as the tokenizer reads them.
TitleList training_titles(const data::Dataset& dataset, const data::Tokenizer& tokenizer);

// What an encoder makes of titles: the states [R, width] of their tokens, one title behind the
// other, without padding.
using ReadTitles = std::function<at::Tensor(const TitleInputs&)>;

// Titles are read in blocks of neighbours of the list: a title's states are the same bytes on
// whichever rank, and however many ranks there are.
constexpr int64_t kTitlesPerBlock = 64;
int64_t num_blocks(const TitleList& titles);
// The token states of a block [R, width], fp32 in host memory, without a graph.
at::Tensor read_block(const TitleList& titles, int64_t block, const ReadTitles& read);

// A vector for each text [n, width]: the mean of its token states, scaled to length 1, as
// sentence-transformers pools all-MiniLM-L6-v2. Equal texts are read once.
at::Tensor sentence_vectors(const std::vector<std::vector<int32_t>>& texts, const ReadTitles& read);

}  // namespace tutti::trainer
