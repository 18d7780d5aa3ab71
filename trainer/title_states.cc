#include "trainer/title_states.h"

#include <algorithm>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

bool is_before(std::span<const int32_t> a, std::span<const int32_t> b) {
  if (a.size() != b.size()) return a.size() < b.size();
  return std::ranges::lexicographical_compare(a, b);
}

int64_t end_of(const TitleList& titles, int64_t block) {
  return std::min((block + 1) * kTitlesPerBlock, titles.size());
}

}  // namespace

TitleList::TitleList(std::vector<std::vector<int32_t>> titles) : titles_(std::move(titles)) {
  std::sort(titles_.begin(), titles_.end(),
            [](const auto& a, const auto& b) { return is_before(a, b); });
  titles_.erase(std::unique(titles_.begin(), titles_.end()), titles_.end());
}

int64_t TitleList::find(std::span<const int32_t> tokens) const {
  const auto found = std::lower_bound(titles_.begin(), titles_.end(), tokens,
                                      [](const auto& a, const auto& b) { return is_before(a, b); });
  TUTTI_CHECK(found != titles_.end() && std::ranges::equal(*found, tokens), "the title is there");
  return found - titles_.begin();
}

TitleInputs TitleList::inputs(int64_t first, int64_t last) const {
  int64_t longest = 0;
  for (int64_t i = first; i < last; ++i) longest = std::max(longest, std::ssize(titles_[i]));
  TitleInputs inputs = {.tokens = at::zeros({last - first, longest}, at::kLong),
                        .lengths = at::empty({last - first}, at::kLong)};
  for (int64_t i = first; i < last; ++i) {
    std::ranges::copy(titles_[i],
                      inputs.tokens.mutable_data_ptr<int64_t>() + (i - first) * longest);
    inputs.lengths.mutable_data_ptr<int64_t>()[i - first] = std::ssize(titles_[i]);
  }
  return inputs;
}

TitleList training_titles(const data::Dataset& dataset, const data::Tokenizer& tokenizer) {
  const data::TitleTable& table = dataset.titles();
  std::vector<std::vector<int32_t>> titles;
  for (int64_t i = 0; i < table.raw.size(); ++i) {
    if (table.train_playlists_of[table.normalized_of[i]] > 0) {
      titles.push_back(tokenizer.encode(table.raw[i]));
    }
  }
  return TitleList(std::move(titles));
}

int64_t num_blocks(const TitleList& titles) {
  return (titles.size() + kTitlesPerBlock - 1) / kTitlesPerBlock;
}

at::Tensor read_block(const TitleList& titles, int64_t block, const ReadTitles& read) {
  const c10::NoGradGuard no_grad;
  const TitleInputs inputs = titles.inputs(block * kTitlesPerBlock, end_of(titles, block));
  return read(inputs).to(at::kCPU, at::kFloat).contiguous();
}

at::Tensor sentence_vectors(const std::vector<std::vector<int32_t>>& texts,
                            const ReadTitles& read) {
  TUTTI_CHECK(!texts.empty());
  const c10::NoGradGuard no_grad;
  const TitleList titles(texts);
  std::vector<at::Tensor> vectors(titles.size());
  for (int64_t block = 0; block < num_blocks(titles); ++block) {
    const at::Tensor states = read_block(titles, block, read);
    int64_t row = 0;
    for (int64_t i = block * kTitlesPerBlock; i < end_of(titles, block); ++i) {
      const at::Tensor mean = states.narrow(0, row, std::ssize(titles[i])).mean(0);
      vectors[i] = mean / mean.norm().clamp_min(1e-12);
      row += std::ssize(titles[i]);
    }
  }
  at::Tensor all = at::empty({std::ssize(texts), vectors.front().size(0)}, at::kFloat);
  for (int64_t i = 0; i < std::ssize(texts); ++i) all[i].copy_(vectors[titles.find(texts[i])]);
  return all;
}

}  // namespace tutti::trainer
