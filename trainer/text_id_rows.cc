#include "trainer/text_id_rows.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

// The rows of text that a model reads: [text_rows, dim].
const at::Tensor& word_embeddings(IdModel& model) {
  for (const char* name :
       {"bert.embeddings.word_embeddings.weight", "model.embed_tokens.weight", "shared.weight"}) {
    if (const Parameter* found = model.find(name)) return found->value;
  }
  fail_check("the model reads text rows", "");
}

struct TokenMeans {
  at::Tensor sums;              // [num_tokens, dim], later the means
  std::vector<int64_t> counts;  // playlist and track pairs behind each
};

TokenMeans means_of_titles(const at::Tensor& words, const ids::IdTable& table,
                           const data::Dataset& dataset, const data::Tokenizer& tokenizer) {
  const int64_t dim = words.size(1);
  const data::StringTable& raw = dataset.titles().raw;
  TokenMeans means = {.sums = at::zeros({table.num_tokens(), dim}, at::kDouble),
                      .counts = std::vector<int64_t>(table.num_tokens(), 0)};
  auto* sums = means.sums.mutable_data_ptr<double>();
  std::vector<int64_t> here(table.num_tokens(), 0);  // pairs of one playlist
  std::vector<int32_t> touched;
  std::vector<double> title(dim);
  const auto* rows = words.const_data_ptr<float>();
  constexpr int64_t kBlock = 100'000;
  for (int64_t first = 0; first < dataset.num_playlists(); first += kBlock) {
    const data::PlaylistBlock block =
        dataset.read(first, std::min(first + kBlock, dataset.num_playlists()));
    for (int64_t i = 0; i < block.size(); ++i) {
      if (block.parts[i] != data::Part::kTrain) continue;
      const std::vector<int32_t> tokens =
          tokenizer.encode_part(raw[block.titles[i]], data::SpecialText::kAsText);
      if (tokens.empty()) continue;
      std::ranges::fill(title, 0.0);
      for (const int32_t token : tokens) {
        for (int64_t k = 0; k < dim; ++k) title[k] += rows[token * dim + k];
      }
      touched.clear();
      for (const int32_t track : block.tracks_of(i)) {
        for (const int32_t token : table.id_of(track)) {
          if (here[token]++ == 0) touched.push_back(token);
        }
      }
      for (const int32_t token : touched) {
        const double weight = static_cast<double>(here[token]) / static_cast<double>(tokens.size());
        for (int64_t k = 0; k < dim; ++k) sums[token * dim + k] += weight * title[k];
        means.counts[token] += here[token];
        here[token] = 0;
      }
    }
  }
  for (int64_t token = 0; token < table.num_tokens(); ++token) {
    const auto count = static_cast<double>(std::max<int64_t>(means.counts[token], 1));
    for (int64_t k = 0; k < dim; ++k) sums[token * dim + k] /= count;
  }
  return means;
}

double deviation(const at::Tensor& t) {
  return t.to(at::kDouble).square().mean().sqrt().item<double>();
}

// `fresh`, centred and projected rows, takes the place of `rows` of the matrix, at their deviation
// about their mean.
void replace_rows(const at::Tensor& matrix, const at::Tensor& rows, const at::Tensor& fresh) {
  const double has = deviation(fresh);
  if (has == 0) return;
  const at::Tensor former = matrix.index_select(0, rows).to(at::kDouble);
  const at::Tensor mean = former.mean(0, /*keepdim=*/true);
  const double had = deviation(former - mean);
  matrix.index_copy_(0, rows, (mean + fresh * (had / has)).to(at::kFloat));
}

}  // namespace

void start_id_rows_from_text(IdModel& model, const ids::IdTable& table,
                             const data::Dataset& dataset, const data::Tokenizer& tokenizer,
                             uint64_t seed) {
  const c10::NoGradGuard no_grad;
  const at::Tensor words = word_embeddings(model).detach();
  const TokenMeans means = means_of_titles(words, table, dataset, tokenizer);
  at::Tensor vectors = means.sums;
  if (words.size(1) != model.width()) {
    Rng rng(seed, Purpose::kIdTokens);
    at::Tensor projection = at::empty({words.size(1), model.width()}, at::kDouble);
    auto* values = projection.mutable_data_ptr<double>();
    for (int64_t i = 0; i < projection.numel(); ++i) values[i] = rng.normal();
    vectors = vectors.matmul(projection);
  }
  // Positions of text share their rows; else the last one's are suffixes.
  const size_t num_levels = table.is_text() ? 1 : table.levels.size() - 1;
  for (size_t level = 0; level < num_levels; ++level) {
    std::vector<int64_t> reached;
    for (int64_t t = 0; t < table.levels[level].num_tokens; ++t) {
      const int64_t token = table.levels[level].first_token + t;
      if (means.counts[token] > 0) reached.push_back(token);
    }
    if (reached.empty()) continue;
    const at::Tensor rows = at::tensor(reached, at::kLong);
    const at::Tensor of_level = vectors.index_select(0, rows);
    const at::Tensor centred = of_level - of_level.mean(0, /*keepdim=*/true);
    for (const char* name : {"id_embedding.weight", "lm_head.id.weight"}) {
      if (const Parameter* p = model.find(name)) replace_rows(p->value.detach(), rows, centred);
    }
  }
}

}  // namespace tutti::trainer
