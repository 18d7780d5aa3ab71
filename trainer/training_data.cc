#include "trainer/training_data.h"

#include <algorithm>
#include <string>

#include "data/sampler.h"
#include "dist/runtime/errors.h"

namespace tutti::trainer {

TrainingData::TrainingData(const data::Dataset& dataset, const data::Tokenizer& tokenizer,
                           const ids::IdTable& table, const TrainingDataOptions& options)
    : dataset_(dataset),
      table_(table),
      trie_(ids::build_trie(table)),
      options_(options),
      playlists_(dataset.playlists_in(data::Part::kTrain)),
      title_token_offsets_{0} {
  if (playlists_.empty()) {
    throw DataError(Problem{dataset.path().string(), "", "no training playlist", "at least one",
                            "import or synth playlists first"});
  }
  const data::StringTable& titles = dataset.titles().raw;
  for (int64_t i = 0; i < titles.size(); ++i) {
    const std::vector<int32_t> tokens = tokenizer.encode(titles[i]);
    title_tokens_.insert(title_tokens_.end(), tokens.begin(), tokens.end());
    title_token_offsets_.push_back(std::ssize(title_tokens_));
  }
}

TrainingData::Playlist TrainingData::playlist(int64_t item) {
  const int64_t window = item / options_.window;
  auto found = windows_.find(window);
  if (found == windows_.end()) {
    const int64_t last = std::min((window + 1) * options_.window, std::ssize(playlists_)) - 1;
    found = windows_
                .emplace(window,
                         dataset_.read(playlists_[window * options_.window], playlists_[last] + 1))
                .first;
  }
  const data::PlaylistBlock& block = found->second;
  const int64_t row = playlists_[item] - block.first;
  const int64_t title = block.titles[row];
  return {
      .tracks = block.tracks_of(row),
      .title_tokens = std::span(title_tokens_)
                          .subspan(title_token_offsets_[title],
                                   title_token_offsets_[title + 1] - title_token_offsets_[title])};
}

TrainingData::Step TrainingData::step(int64_t step, int rank, int world_size) {
  const std::vector<int64_t> items = data::items_of_step(
      step, options_.titles_per_step, num_playlists(), options_.window, options_.seed);
  // Windows that this step does not touch are let go: steps walk through one window at a time.
  std::erase_if(windows_, [&](const auto& entry) {
    return std::none_of(items.begin(), items.end(),
                        [&](int64_t item) { return item / options_.window == entry.first; });
  });
  Step out;
  std::vector<TitleGroup> groups;
  std::vector<int64_t> costs;
  for (int64_t item : items) {
    const Playlist p = playlist(item);
    groups.push_back({.title_tokens = p.title_tokens, .tracks = p.tracks});
    costs.push_back(std::ssize(p.tracks) + std::ssize(p.title_tokens));
    out.global_weight += group_weight(std::ssize(p.tracks), options_.weighting);
    out.global_pairs += std::ssize(p.tracks);
  }
  const std::vector<std::vector<int32_t>> deal = data::deal_by_cost(costs, world_size);
  std::vector<TitleGroup> mine;
  for (int32_t i : deal[rank]) mine.push_back(groups[i]);
  out.batch = pack(mine, table_, trie_, {.weighting = options_.weighting});
  return out;
}

std::string train_title_vocabulary(const data::Dataset& dataset,
                                   const data::TokenizerTraining& options) {
  const data::TitleTable& titles = dataset.titles();
  std::vector<int64_t> counts(titles.raw.size(), 0);
  constexpr int64_t kBlock = 100'000;
  for (int64_t first = 0; first < dataset.num_playlists(); first += kBlock) {
    const data::PlaylistBlock block =
        dataset.read(first, std::min(first + kBlock, dataset.num_playlists()));
    for (int64_t i = 0; i < block.size(); ++i) {
      if (block.parts[i] == data::Part::kTrain) ++counts[block.titles[i]];
    }
  }
  std::vector<std::string> sentences;
  std::vector<int64_t> sentence_counts;
  for (int64_t i = 0; i < titles.raw.size(); ++i) {
    if (counts[i] == 0) continue;
    sentences.emplace_back(titles.raw[i]);
    sentence_counts.push_back(counts[i]);
  }
  return data::train_sentencepiece(sentences, sentence_counts, options);
}

}  // namespace tutti::trainer
