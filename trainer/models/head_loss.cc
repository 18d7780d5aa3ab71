#include "trainer/models/head_loss.h"

#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "dist/runtime/errors.h"
#include "ids/gemm.h"
#include "ids/vectorize.h"
#include "trainer/models/fused_support.h"
#include "trainer/models/plain_ops.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Logits that exist at a time: large enough for full-speed products, small beside a model.
constexpr int64_t kBlockLogits = int64_t{1} << 23;
constexpr int64_t kRowsPerTask = 16;
// A dot product of its own costs as much as so many inside a matrix product, forward and backward
// (measured: 500 rows of d = 512, one thread: 2.3 ms for all 256 columns, 0.03 ms a child).
constexpr int64_t kSingleDotCost = 5;

// x -> weight * softmax(x); gives log(sum(exp(x))) of before.
TUTTI_VECTORIZED float softmax_in_place(float* x, int64_t n, float weight) {
  float largest = x[0];
  for (int64_t i = 1; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  for (int64_t i = 0; i < n; ++i) x[i] = lanes::exp(x[i] - largest);
  const float total = lanes::sum(
      n, [=](int64_t i) __attribute__((always_inline)) { return x[i]; });
  const float scale = weight / total;
  for (int64_t i = 0; i < n; ++i) x[i] *= scale;
  return largest + std::log(total);
}

TUTTI_VECTORIZED void dots(const float* hidden, const float* table, const int64_t* rows, int64_t n,
                           int64_t d, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = lanes::dot(hidden, table + rows[i] * d, d);
}

// y += sum_i factor[i] * table[rows[i]], elements [0, width) of rows of length d.
TUTTI_VECTORIZED void gather_rows(const float* factor, const float* table, const int64_t* rows,
                                  int64_t n, int64_t d, int64_t width, float* y) {
  for (int64_t i = 0; i < n; ++i) lanes::axpy(factor[i], table + rows[i] * d, y, width);
}
// table[rows[i]] += factor[i] * x
TUTTI_VECTORIZED void scatter_rows(const float* factor, const float* x, const int64_t* rows,
                                   int64_t n, int64_t d, int64_t width, float* table) {
  for (int64_t i = 0; i < n; ++i) lanes::axpy(factor[i], x, table + rows[i] * d, width);
}

// Where the entries of each row begin in an ascending list of rows: [num_rows + 1].
std::vector<int64_t> begins_of(std::span<const int64_t> row, int64_t num_rows) {
  std::vector<int64_t> begin(num_rows + 1, 0);
  for (const int64_t r : row) ++begin[r + 1];
  for (int64_t r = 0; r < num_rows; ++r) begin[r + 1] += begin[r];
  return begin;
}

// The targets of a row, turned into its part of the loss and of the logits' derivative. `x`: the
// row's scores, `place(column)`: where a column stands in it.
class RowLoss {
 public:
  RowLoss(const HeadSlice& slice, const std::vector<int64_t>& begin)
      : slice_(slice), begin_(begin) {}

  template <typename Place>
  double operator()(int64_t row, float* x, int64_t n, Place place) const {
    float total_weight = 0;
    double own = 0;
    for (int64_t t = begin_[row]; t < begin_[row + 1]; ++t) {
      total_weight += slice_.weight[t];
      own += static_cast<double>(slice_.weight[t]) * x[place(slice_.column[t])];
    }
    const float log_sum = softmax_in_place(x, n, total_weight);
    for (int64_t t = begin_[row]; t < begin_[row + 1]; ++t) {
      x[place(slice_.column[t])] -= slice_.weight[t];
    }
    return static_cast<double>(total_weight) * log_sum - own;
  }

 private:
  const HeadSlice& slice_;
  const std::vector<int64_t>& begin_;
};

class Computation {
 public:
  Computation(const at::Tensor& hidden, const PredictionHead& head, HeadGradients& gradients)
      : hidden_(hidden),
        head_(head),
        gradients_(gradients),
        num_text_(head.text.defined() ? head.text.size(0) : 0) {}

  double add(const HeadSlice& slice) {
    const int64_t cells = slice.num_rows * slice.num_columns;
    const int64_t children = std::ssize(slice.child_column);
    const std::vector<int64_t> targets = begins_of(slice.row, slice.num_rows);
    loss_.assign(slice.num_rows, 0.0);
    if (children > 0 && children * kSingleDotCost < cells) {
      add_children(slice, RowLoss(slice, targets));
    } else {
      add_columns(slice, RowLoss(slice, targets));
    }
    double sum = 0;
    for (const double row : loss_) sum += row;
    return sum;
  }

 private:
  void add_columns(const HeadSlice& slice, const RowLoss& row_loss) {
    const int64_t n = slice.num_columns;
    const int64_t block = std::clamp<int64_t>(kBlockLogits / n, 1, slice.num_rows);
    const std::vector<int64_t> children = begins_of(slice.child_row, slice.num_rows);
    const std::vector<HeadPart> parts = parts_of(slice, head_, gradients_);
    const at::Tensor buffer = at::empty({block, n}, hidden_.options());
    for (int64_t first = 0; first < slice.num_rows; first += block) {
      const int64_t rows = std::min(block, slice.num_rows - first);
      const at::Tensor logits = buffer.narrow(0, 0, rows);
      const at::Tensor hidden = hidden_.narrow(0, slice.first_row + first, rows);
      for (const HeadPart& part : parts) {
        at::Tensor out = logits.narrow(1, part.first_column, part.rows.size(0));
        ids::gemm(hidden, part.rows.t(), out);
      }
      auto* x = logits.mutable_data_ptr<float>();
      at::parallel_for(0, rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
        std::vector<float> scratch;
        for (int64_t r = begin; r < end; ++r) {
          const int64_t row = first + r;
          loss_[row] = slice.child_row.empty()
                           ? row_loss(row, x + r * n, n, [](int64_t column) { return column; })
                           : masked(slice, children, row_loss, row, x + r * n, scratch);
        }
      });
      if (gradients_.hidden.defined()) {
        at::Tensor out = gradients_.hidden.narrow(0, slice.first_row + first, rows);
        for (const HeadPart& part : parts) {
          ids::gemm(logits.narrow(1, part.first_column, part.rows.size(0)), part.rows, out,
                    /*beta=*/1);
        }
      }
      for (const HeadPart& part : parts) {
        if (!part.gradient.defined()) continue;
        at::Tensor out = part.gradient;
        ids::gemm(logits.narrow(1, part.first_column, part.rows.size(0)).t(), hidden, out,
                  /*beta=*/1);
      }
    }
  }

  // Children ascend within a row.
  static auto place_in(std::span<const int64_t> columns) {
    return [columns](int64_t column) {
      return std::lower_bound(columns.begin(), columns.end(), column) - columns.begin();
    };
  }

  // One row of a block of columns, of which only the children count.
  static double masked(const HeadSlice& slice, const std::vector<int64_t>& children,
                       const RowLoss& row_loss, int64_t row, float* x,
                       std::vector<float>& scratch) {
    const auto columns =
        slice.child_column.subspan(children[row], children[row + 1] - children[row]);
    scratch.resize(columns.size());
    for (size_t i = 0; i < columns.size(); ++i) scratch[i] = x[columns[i]];
    const double loss = row_loss(row, scratch.data(), std::ssize(columns), place_in(columns));
    std::fill(x, x + slice.num_columns, 0.0F);
    for (size_t i = 0; i < columns.size(); ++i) x[columns[i]] = scratch[i];
    return loss;
  }

  void add_children(const HeadSlice& slice, const RowLoss& row_loss) {
    const int64_t d = hidden_.size(1);
    TUTTI_CHECK(slice.first_column >= num_text_, "children are ID rows");
    const int64_t first_token = slice.first_column - num_text_;
    const std::vector<int64_t> begin = begins_of(slice.child_row, slice.num_rows);
    std::vector<float> factor(slice.child_column.size());
    const auto* table = head_.ids.const_data_ptr<float>() + first_token * d;
    const auto* hidden = hidden_.const_data_ptr<float>() + slice.first_row * d;
    float* hidden_gradient = gradients_.hidden.defined()
                                 ? gradients_.hidden.mutable_data_ptr<float>() + slice.first_row * d
                                 : nullptr;
    at::parallel_for(0, slice.num_rows, kRowsPerTask, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) {
        const auto columns = slice.child_column.subspan(begin[r], begin[r + 1] - begin[r]);
        float* f = factor.data() + begin[r];
        dots(hidden + r * d, table, columns.data(), std::ssize(columns), d, f);
        loss_[r] = row_loss(r, f, std::ssize(columns), place_in(columns));
        if (hidden_gradient != nullptr) {
          gather_rows(f, table, columns.data(), std::ssize(columns), d, d, hidden_gradient + r * d);
        }
      }
    });
    if (!gradients_.ids.defined()) return;
    float* table_gradient = gradients_.ids.mutable_data_ptr<float>() + first_token * d;
    // Rows of the table are shared: each thread takes some elements of all of them.
    at::parallel_for(0, d, 64, [&](int64_t first, int64_t last) {
      for (int64_t r = 0; r < slice.num_rows; ++r) {
        scatter_rows(factor.data() + begin[r], hidden + r * d + first,
                     slice.child_column.data() + begin[r], begin[r + 1] - begin[r], d, last - first,
                     table_gradient + first);
      }
    });
  }

  const at::Tensor& hidden_;
  const PredictionHead& head_;
  HeadGradients& gradients_;
  int64_t num_text_;
  std::vector<double> loss_;  // by row of the slice at hand
};

struct Call {
  std::span<const HeadSlice> slices;
  std::vector<double>* by_slice;
  bool with_gradients;
};

struct HeadLoss : Function<HeadLoss> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& ids,
                            const at::Tensor& text, const Call* call) {
    const PredictionHead head = {.ids = ids, .text = text.numel() > 0 ? text : at::Tensor()};
    const auto gradient_of = [&](const at::Tensor& t) {
      return call->with_gradients && t.requires_grad() ? at::zeros_like(t) : at::Tensor();
    };
    HeadGradients gradients = {
        .hidden = gradient_of(hidden), .ids = gradient_of(ids), .text = gradient_of(text)};
    ctx->save_for_backward({gradients.hidden, gradients.ids, gradients.text});
    if (!is_fused(hidden)) return plain_forward(hidden, head, *call, gradients);
    Computation computation(hidden, head, gradients);
    double loss = 0;
    for (const HeadSlice& slice : call->slices) {
      const double part = slice.num_rows > 0 ? computation.add(slice) : 0.0;
      if (call->by_slice != nullptr) call->by_slice->push_back(part);
      loss += part;
    }
    at::Tensor out = at::empty({}, hidden.options());
    *out.mutable_data_ptr<float>() = static_cast<float>(loss);
    return out;
  }
  static at::Tensor plain_forward(const at::Tensor& hidden, const PredictionHead& head,
                                  const Call& call, const HeadGradients& into) {
    const at::Tensor losses = plain::head_losses(hidden, head, call.slices, into);
    if (call.by_slice != nullptr) {
      const at::Tensor parts = losses.to(at::kCPU, at::kDouble);  // all in one transfer
      const auto* part = parts.const_data_ptr<double>();
      call.by_slice->insert(call.by_slice->end(), part, part + parts.numel());
    }
    return losses.sum();
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    variable_list gradients = ctx->get_saved_variables();
    for (at::Tensor& g : gradients) {
      if (g.defined()) g.mul_(grads[0]);
    }
    gradients.emplace_back();
    return gradients;
  }
};

}  // namespace

at::Tensor head_loss(const at::Tensor& hidden, const PredictionHead& head,
                     std::span<const HeadSlice> slices, std::vector<double>* by_slice) {
  const Call call = {
      .slices = slices, .by_slice = by_slice, .with_gradients = c10::GradMode::is_enabled()};
  const at::Tensor none = at::empty({0}, hidden.options());
  return HeadLoss::apply(hidden.contiguous(), head.ids, head.text.defined() ? head.text : none,
                         &call);
}

}  // namespace tutti::trainer
