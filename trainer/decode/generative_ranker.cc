#include "trainer/decode/generative_ranker.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

namespace {

// The rows of beam search as a model sees them.
class ModelScorer : public IdScorer {
 public:
  ModelScorer(const IdModel& model, DecoderState state) : model_(model), state_(std::move(state)) {}

  std::span<const float> step(std::span<const Row> rows, const ids::IdLevel& level,
                              Softmax over) override {
    const int64_t n = std::ssize(rows);
    const at::Tensor input = at::empty({n}, at::kLong);
    const at::Tensor parent = at::empty({n}, at::kLong);
    const at::Tensor title = at::empty({n}, at::kLong);
    auto* inputs = input.mutable_data_ptr<int64_t>();
    auto* parents = parent.mutable_data_ptr<int64_t>();
    auto* titles = title.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < n; ++i) {
      inputs[i] = rows[i].token;
      parents[i] = rows[i].parent;
      titles[i] = rows[i].title;
    }
    const at::Tensor hidden = model_.step(state_, input, parent, title);
    scores_ = scores_of(hidden, level, over).to(at::kCPU).contiguous();
    return {scores_.const_data_ptr<float>(), static_cast<size_t>(scores_.numel())};
  }

 private:
  // [rows, level.num_tokens]
  at::Tensor scores_of(const at::Tensor& hidden, const ids::IdLevel& level, Softmax over) const {
    if (over == Softmax::kTrie) {
      return model_.logits(hidden, level.first_token, level.num_tokens);
    }
    if (over == Softmax::kLevel) {
      return at::log_softmax(model_.logits(hidden, level.first_token, level.num_tokens), -1);
    }
    const at::Tensor ids = model_.logits(hidden, 0, model_.id_tokens());
    at::Tensor log_sum = at::logsumexp(ids, -1, /*keepdim=*/true);
    if (over == Softmax::kFull) {
      const at::Tensor text = at::linear(hidden, model_.text_head());
      log_sum = at::logaddexp(log_sum, at::logsumexp(text, -1, /*keepdim=*/true));
    }
    return ids.narrow(1, level.first_token, level.num_tokens) - log_sum;
  }

  const IdModel& model_;
  DecoderState state_;
  at::Tensor scores_;
};

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
  int64_t longest = 0;
  for (const auto* title : titles) longest = std::max(longest, std::ssize(*title));
  const at::Tensor tokens = at::zeros({num_titles, longest}, at::kLong);
  const at::Tensor lengths = at::empty({num_titles}, at::kLong);
  static_assert(data::Tokenizer::kPad == 0, "padding is the zeros");
  for (int64_t i = 0; i < num_titles; ++i) {
    std::copy(titles[i]->begin(), titles[i]->end(),
              tokens.mutable_data_ptr<int64_t>() + i * longest);
    lengths.mutable_data_ptr<int64_t>()[i] = std::ssize(*titles[i]);
  }
  const DecoderState start = model_.start({.tokens = tokens, .lengths = lengths});
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
