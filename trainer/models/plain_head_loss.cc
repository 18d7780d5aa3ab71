// The loss of the head as compositions of ATen operators, with derivatives written out: a block of
// rows at a time, as the loops of head_loss.cc.
#include <algorithm>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "trainer/models/plain_ops.h"

namespace tutti::trainer::plain {
namespace {

constexpr int64_t kBlockElements = int64_t{1} << 25;  // of logits, or of gathered rows
// As in head_loss.cc: children that are few beside the columns are scored one by one.
constexpr int64_t kSingleDotCost = 5;

template <typename T>
at::Tensor upload(std::span<const T> v, at::ScalarType type, at::Device device) {
  return at::from_blob(const_cast<T*>(v.data()), {std::ssize(v)}, type).clone().to(device);
}

// The entries of an ascending list of rows that lie in [first, last).
struct Entries {
  Entries(std::span<const int64_t> row, int64_t first_row, int64_t last_row)
      : first(std::lower_bound(row.begin(), row.end(), first_row) - row.begin()),
        count(std::lower_bound(row.begin(), row.end(), last_row) - row.begin() - first) {}
  int64_t first, count;
};

class Computation {
 public:
  Computation(const at::Tensor& hidden, const PredictionHead& head, const HeadGradients& into)
      : hidden_(hidden),
        head_(head),
        into_(into),
        num_text_(head.text.defined() ? head.text.size(0) : 0) {}

  at::Tensor loss_of(const HeadSlice& s) const {
    at::Tensor loss = at::zeros({}, hidden_.options());
    if (s.num_rows == 0) return loss;
    const int64_t num_children = std::ssize(s.child_column);
    const bool one_by_one =
        num_children > 0 && num_children * kSingleDotCost < s.num_rows * s.num_columns;
    const int64_t elements =
        one_by_one ? num_children * hidden_.size(1) / s.num_rows + 1 : s.num_columns;  // of a row
    const int64_t block = std::clamp<int64_t>(kBlockElements / elements, 1, s.num_rows);
    for (int64_t first = 0; first < s.num_rows; first += block) {
      const int64_t last = std::min(first + block, s.num_rows);
      loss = loss + (one_by_one ? over_children(s, first, last) : over_columns(s, first, last));
    }
    return loss;
  }

 private:
  // What a block of rows should emit; rows counted from its first.
  struct Targets {
    at::Tensor row, column, weight, row_weight;  // the last: [rows], sums
  };
  Targets targets_of(const HeadSlice& s, int64_t first, int64_t last) const {
    const Entries e(s.row, first, last);
    Targets t;
    t.row = upload(s.row.subspan(e.first, e.count), at::kLong, hidden_.device()) - first;
    t.column = upload(s.column.subspan(e.first, e.count), at::kLong, hidden_.device());
    t.weight = upload(s.weight.subspan(e.first, e.count), at::kFloat, hidden_.device());
    t.row_weight = at::zeros({last - first}, hidden_.options()).index_add_(0, t.row, t.weight);
    return t;
  }

  at::Tensor over_columns(const HeadSlice& s, int64_t first, int64_t last) const {
    const Targets t = targets_of(s, first, last);
    const std::vector<HeadPart> parts = parts_of(s, head_, into_);
    const at::Tensor hidden = hidden_.narrow(0, s.first_row + first, last - first);
    std::vector<at::Tensor> pieces;
    for (const HeadPart& part : parts) pieces.push_back(at::matmul(hidden, part.rows.t()));
    at::Tensor logits = pieces.size() == 1 ? pieces[0] : at::cat(pieces, 1);
    if (!s.child_row.empty()) {
      const Entries e(s.child_row, first, last);
      const at::Tensor cell =
          (upload(s.child_row.subspan(e.first, e.count), at::kLong, hidden_.device()) - first) *
              s.num_columns +
          upload(s.child_column.subspan(e.first, e.count), at::kLong, hidden_.device());
      at::Tensor is_child = at::zeros({logits.numel()}, logits.options().dtype(at::kBool));
      is_child.index_fill_(0, cell, true);
      logits.masked_fill_(is_child.view(logits.sizes()).logical_not_(),
                          -std::numeric_limits<float>::infinity());
    }
    const at::Tensor log_p = at::log_softmax(logits, 1);
    const at::Tensor cell = t.row * s.num_columns + t.column;
    const at::Tensor loss = (log_p.view({-1}).index_select(0, cell) * t.weight).sum().neg();
    if (!wants_gradients()) return loss;
    const at::Tensor slope = log_p.exp().mul_(t.row_weight.unsqueeze(1));
    slope.view({-1}).index_add_(0, cell, t.weight, -1);
    for (const HeadPart& part : parts) {
      const at::Tensor own = slope.narrow(1, part.first_column, part.rows.size(0));
      if (into_.hidden.defined()) {
        into_.hidden.narrow(0, s.first_row + first, last - first).addmm_(own, part.rows);
      }
      at::Tensor gradient = part.gradient;
      if (gradient.defined()) gradient.addmm_(own.t(), hidden);
    }
    return loss;
  }

  at::Tensor over_children(const HeadSlice& s, int64_t first, int64_t last) const {
    const Targets t = targets_of(s, first, last);
    const Entries e(s.child_row, first, last);
    const at::Tensor row =
        upload(s.child_row.subspan(e.first, e.count), at::kLong, hidden_.device()) - first;
    const at::Tensor token =
        upload(s.child_column.subspan(e.first, e.count), at::kLong, hidden_.device()) +
        (s.first_column - num_text_);
    const at::Tensor target =
        upload<int64_t>(places_of_targets(s, first, last), at::kLong, hidden_.device());
    const at::Tensor from =
                         hidden_.narrow(0, s.first_row + first, last - first).index_select(0, row),
                     to = head_.ids.index_select(0, token);  // [children, d]
    const at::Tensor score = (from * to).sum(1);
    const at::Tensor largest =
        at::full({last - first}, -std::numeric_limits<float>::infinity(), hidden_.options())
            .scatter_reduce(0, row, score, "amax")
            .index_select(0, row);
    const at::Tensor power = (score - largest).exp();
    const at::Tensor sum =
        at::zeros({last - first}, hidden_.options()).index_add_(0, row, power).index_select(0, row);
    const at::Tensor loss =
        ((score - largest - sum.log()).index_select(0, target) * t.weight).sum().neg();
    if (!wants_gradients()) return loss;
    const at::Tensor slope = power / sum * t.row_weight.index_select(0, row);
    slope.index_add_(0, target, t.weight, -1);
    if (into_.hidden.defined()) {
      into_.hidden.narrow(0, s.first_row + first, last - first)
          .index_add_(0, row, to * slope.unsqueeze(1));
    }
    at::Tensor gradient = into_.ids;
    if (gradient.defined()) gradient.index_add_(0, token, from * slope.unsqueeze(1));
    return loss;
  }

  // Where the targets of rows [first, last) stand among the children of these rows.
  static std::vector<int64_t> places_of_targets(const HeadSlice& s, int64_t first, int64_t last) {
    const Entries targets(s.row, first, last), children(s.child_row, first, last);
    std::vector<int64_t> places;
    for (int64_t i = targets.first; i < targets.first + targets.count; ++i) {
      const Entries own(s.child_row, s.row[i], s.row[i] + 1);
      const auto columns = s.child_column.subspan(own.first, own.count);
      places.push_back(
          own.first - children.first +
          (std::lower_bound(columns.begin(), columns.end(), s.column[i]) - columns.begin()));
    }
    return places;
  }

  bool wants_gradients() const {
    return into_.hidden.defined() || into_.ids.defined() || into_.text.defined();
  }

  const at::Tensor& hidden_;
  const PredictionHead& head_;
  const HeadGradients& into_;
  int64_t num_text_;
};

}  // namespace

at::Tensor head_losses(const at::Tensor& hidden, const PredictionHead& head,
                       std::span<const HeadSlice> slices, const HeadGradients& into) {
  const Computation computation(hidden, head, into);
  std::vector<at::Tensor> losses;
  for (const HeadSlice& slice : slices) losses.push_back(computation.loss_of(slice));
  return at::stack(losses);
}

}  // namespace tutti::trainer::plain
