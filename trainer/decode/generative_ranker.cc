#include "trainer/decode/generative_ranker.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <c10/core/InferenceMode.h>

#include "dist/runtime/errors.h"
#include "trainer/decode/model_scorer.h"

namespace tutti::trainer {

namespace {

// Fills `list` up to `size` tracks with those of `more` that it lacks.
void append_missing(std::vector<Recommendation>& list, const std::vector<Recommendation>& more,
                    size_t size) {
  for (const Recommendation& r : more) {
    if (list.size() >= size) return;
    const bool listed = std::any_of(list.begin(), list.end(),
                                    [&r](const auto& other) { return other.track == r.track; });
    if (listed) continue;
    list.push_back({r.track, list.empty() ? r.score : std::min(r.score, list.back().score)});
  }
}

}  // namespace

GenerativeRanker::GenerativeRanker(const IdModel& model, const data::Tokenizer& tokenizer,
                                   const ids::IdTable& table, const ids::Trie& trie,
                                   const GenerativeOptions& options)
    : model_(model), tokenizer_(tokenizer), table_(table), trie_(trie), options_(options) {
  TUTTI_CHECK(options.titles_at_once > 0);
  TUTTI_CHECK(model.id_tokens() == table.num_tokens(), "the model is of this ID table");
}

std::vector<std::vector<Recommendation>> GenerativeRanker::rank_batch(
    std::span<const std::vector<int32_t>* const> titles, int k) const {
  const c10::InferenceMode inference;
  const int64_t num_titles = std::ssize(titles);
  const DecoderState start = start_titles(model_, titles);
  const auto search = [&](const BeamOptions& options) {
    ModelScorer scorer(model_, start);
    return beam_search(scorer, trie_, table_.levels, num_titles, options);
  };
  auto lists = search({.beam = options_.beam,
                       .k = k,
                       .softmax = options_.softmax,
                       .groups = options_.groups,
                       .diversity = options_.diversity,
                       .distinct = options_.distinct});
  const auto wanted = static_cast<size_t>(std::min<int64_t>(k, table_.num_tracks()));
  const auto is_short = [wanted](const auto& list) { return list.size() < wanted; };
  const bool fill = options_.groups > 1 && options_.distinct;
  if (fill && std::any_of(lists.begin(), lists.end(), is_short)) {
    const auto plain = search({.beam = options_.beam, .k = k, .softmax = options_.softmax});
    for (size_t i = 0; i < lists.size(); ++i) append_missing(lists[i], plain[i], wanted);
  }
  return lists;
}

std::vector<std::vector<Recommendation>> GenerativeRanker::rank(std::span<const std::string> titles,
                                                                int k) {
  TUTTI_CHECK(k > 0);
  std::vector<std::vector<int32_t>> encoded;
  encoded.reserve(titles.size());
  for (const auto& title : titles) encoded.push_back(tokenizer_.encode(title));
  std::vector<int32_t> order(titles.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&encoded](int32_t a, int32_t b) {
    return encoded[a].size() < encoded[b].size();
  });

  std::vector<std::vector<Recommendation>> lists(titles.size());
  for (size_t first = 0; first < order.size(); first += options_.titles_at_once) {
    const size_t last = std::min(first + options_.titles_at_once, order.size());
    std::vector<const std::vector<int32_t>*> batch;
    for (size_t i = first; i < last; ++i) batch.push_back(&encoded[order[i]]);
    auto ranked = rank_batch(batch, k);
    for (size_t i = first; i < last; ++i) lists[order[i]] = std::move(ranked[i - first]);
  }
  return lists;
}

}  // namespace tutti::trainer
