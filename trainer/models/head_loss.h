#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace tutti::trainer {

// The rows that predict. Columns of the logits: text rows (when there are any), then ID rows.
struct PredictionHead {
  at::Tensor ids;   // [id_tokens, d]
  at::Tensor text;  // [text_rows, d], or undefined: text is not predicted
};

// Hidden rows [first_row, first_row + num_rows) that are normalised alike: over the columns
// [first_column, first_column + num_columns), or over some of them. Rows and columns below are
// counted from these firsts. The memory outlives the call of head_loss().
struct HeadSlice {
  int64_t first_row = 0, num_rows = 0;
  int64_t first_column = 0, num_columns = 0;
  // Row row[i] should emit column[i] with this weight. Rows ascend.
  std::span<const int64_t> row, column;
  std::span<const float> weight;
  // Unless empty: row child_row[i] is normalised over its child_column[i] only; targets are among
  // them. Rows ascend. Columns of ID rows.
  std::span<const int64_t> child_row, child_column;
};

// sum_i weight[i] * -log softmax(hidden[row[i]] . head)[column[i]] over all slices, a scalar;
// hidden [M, d]. `by_slice`, unless null, takes each slice's part of the sum.
//
// Logits and their derivative exist for one block of rows at a time: the forward pass leaves the
// gradients of hidden and head behind, and backward scales them. So it can be called once only.
// Children that are few beside the columns are scored one by one.
at::Tensor head_loss(const at::Tensor& hidden, const PredictionHead& head,
                     std::span<const HeadSlice> slices, std::vector<double>* by_slice = nullptr);

}  // namespace tutti::trainer
