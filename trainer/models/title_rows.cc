#include "trainer/models/title_rows.h"

#include <algorithm>

#include <ATen/ops/zeros.h>

namespace tutti::trainer {

TitleRows title_rows(const TitleInputs& titles) {
  const int64_t padded_length = titles.tokens.size(1);
  const auto *token = titles.tokens.const_data_ptr<int64_t>(),
             *length = titles.lengths.const_data_ptr<int64_t>();
  TitleRows rows;
  for (int64_t b = 0; b < titles.tokens.size(0); ++b) {
    for (int64_t t = 0; t < length[b]; ++t) {
      rows.tokens.push_back(token[b * padded_length + t]);
      rows.title.push_back(b);
      rows.position.push_back(t);
    }
  }
  return rows;
}

AttentionLists title_lists(const std::vector<int64_t>& title, const at::Tensor& lengths) {
  const int64_t num_titles = lengths.size(0);
  const auto* length = lengths.const_data_ptr<int64_t>();
  std::vector<int64_t> first_row(num_titles + 1, 0);
  for (int64_t b = 0; b < num_titles; ++b) first_row[b + 1] = first_row[b] + length[b];
  const int64_t longest = *std::max_element(length, length + num_titles),
                queries = std::ssize(title);
  AttentionLists lists = {.keys = at::zeros({queries, longest}, at::kLong),
                          .counts = at::zeros({queries}, at::kLong),
                          .position = {},
                          .dropout = {}};
  auto *keys = lists.keys.mutable_data_ptr<int64_t>(),
       *counts = lists.counts.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < queries; ++i) {
    counts[i] = length[title[i]];
    for (int64_t t = 0; t < counts[i]; ++t) keys[i * longest + t] = first_row[title[i]] + t;
  }
  return lists;
}

AttentionLists on_device(AttentionLists lists, at::Device device) {
  for (at::Tensor* t : {&lists.keys, &lists.counts, &lists.position}) {
    if (t->defined()) *t = t->to(device);
  }
  return lists;
}

}  // namespace tutti::trainer
