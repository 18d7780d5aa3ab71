#include "trainer/models/title_memo.h"

#include <algorithm>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace tutti::trainer {

namespace {

std::string key_of(const int64_t* tokens, int64_t length) {
  return {reinterpret_cast<const char*>(tokens), static_cast<size_t>(length) * sizeof(int64_t)};
}

}  // namespace

void TitleMemo::know(std::span<const int32_t> title, const at::Tensor& states) {
  const std::vector<int64_t> tokens(title.begin(), title.end());
  states_.try_emplace(key_of(tokens.data(), std::ssize(tokens)), states);
}

at::Tensor TitleMemo::states(const TitleInputs& titles) {
  const auto *tokens = titles.tokens.const_data_ptr<int64_t>(),
             *lengths = titles.lengths.const_data_ptr<int64_t>();
  const int64_t num_titles = titles.lengths.size(0), padded = titles.tokens.size(1);
  std::vector<at::Tensor> parts(num_titles);
  std::vector<std::string> keys;
  std::vector<int64_t> missing;
  for (int64_t b = 0; b < num_titles; ++b) {
    keys.push_back(key_of(tokens + b * padded, lengths[b]));
    if (const auto known = states_.find(keys.back()); known != states_.end()) {
      parts[b] = known->second;
    } else {
      missing.push_back(b);
    }
  }
  if (!missing.empty()) {
    int64_t longest = 0;
    for (const int64_t b : missing) longest = std::max(longest, lengths[b]);
    const int64_t count = std::ssize(missing);
    const TitleInputs fresh = {.tokens = at::zeros({count, longest}, at::kLong),
                               .lengths = at::empty({count}, at::kLong)};
    for (int64_t i = 0; i < count; ++i) {
      const int64_t b = missing[i];
      std::copy_n(tokens + b * padded, lengths[b],
                  fresh.tokens.mutable_data_ptr<int64_t>() + i * longest);
      fresh.lengths.mutable_data_ptr<int64_t>()[i] = lengths[b];
    }
    const at::Tensor fresh_states = read(fresh);
    int64_t row = 0;
    for (const int64_t b : missing) {
      parts[b] = fresh_states.narrow(0, row, lengths[b]);
      row += lengths[b];
      const int64_t size = parts[b].numel();
      if (num_values_ + size > max_values_) continue;
      if (states_.try_emplace(keys[b], parts[b].clone()).second) num_values_ += size;
    }
  }
  return at::cat(parts);
}

void TitleMemo::clear() {
  states_.clear();
  num_values_ = 0;
}

}  // namespace tutti::trainer
