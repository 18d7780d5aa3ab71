#include "trainer/decode/model_scorer.h"

#include <algorithm>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>

#include "data/tokenizer.h"

namespace tutti::trainer {

DecoderState start_titles(const IdModel& model,
                          std::span<const std::vector<int32_t>* const> titles) {
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
  return model.start({.tokens = tokens, .lengths = lengths});
}

ModelScorer::ModelScorer(const IdModel& model, DecoderState state)
    : model_(model), state_(std::move(state)) {}

std::span<const float> ModelScorer::step(std::span<const Row> rows, const ids::IdLevel& level,
                                         Softmax over) {
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

at::Tensor ModelScorer::scores_of(const at::Tensor& hidden, const ids::IdLevel& level,
                                  Softmax over) const {
  if (over == Softmax::kTrie) return model_.logits(hidden, level.first_token, level.num_tokens);
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

}  // namespace tutti::trainer
