// The fused head against linear layer and log-softmax in fp64.
#include "trainer/models/head_loss.h"

#include <memory>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
#include "trainer/models/plain_ops.h"

namespace tutti::trainer {
namespace {

at::Tensor random(at::IntArrayRef shape, uint64_t stream) {
  at::Tensor t = at::zeros(shape, at::kFloat);
  Rng rng(2, Purpose::kTest, stream);
  for (int64_t i = 0; i < t.numel(); ++i) {
    t.mutable_data_ptr<float>()[i] = static_cast<float>(0.5 * rng.normal());
  }
  return t;
}

// Rows with one to three targets each, among `num_children` columns of the slice (0: all columns).
struct OwnedSlice {
  std::vector<int64_t> row, column, child_row, child_column;
  std::vector<float> weight;
  HeadSlice slice;

  OwnedSlice(int64_t first_row, int64_t num_rows, int64_t first_column, int64_t num_columns,
             int64_t num_children) {
    Rng rng(3, Purpose::kTest, first_row * 1000 + num_children);
    for (int64_t r = 0; r < num_rows; ++r) {
      std::vector<int64_t> columns;
      for (int64_t c = 0; c < num_columns; ++c) columns.push_back(c);
      for (int64_t i = num_columns - 1; i > 0; --i) {
        std::swap(columns[i], columns[rng.below(i + 1)]);
      }
      const int64_t num_targets = 1 + static_cast<int64_t>(rng.below(3));
      if (num_children > 0) {
        std::sort(columns.begin(), columns.begin() + num_children);
        for (int64_t i = 0; i < num_children; ++i) {
          child_row.push_back(r);
          child_column.push_back(columns[i]);
        }
      }
      for (int64_t i = 0; i < num_targets; ++i) {
        row.push_back(r);
        column.push_back(columns[i]);
        weight.push_back(static_cast<float>(1 + rng.below(4)));
      }
    }
    slice = {.first_row = first_row,
             .num_rows = num_rows,
             .first_column = first_column,
             .num_columns = num_columns,
             .row = row,
             .column = column,
             .weight = weight,
             .child_row = child_row,
             .child_column = child_column};
  }
  OwnedSlice(const OwnedSlice&) = delete;
  OwnedSlice& operator=(const OwnedSlice&) = delete;
};

at::Tensor plain(const at::Tensor& hidden, const at::Tensor& head, const HeadSlice& s) {
  const at::Tensor logits = at::matmul(hidden.narrow(0, s.first_row, s.num_rows),
                                       head.narrow(0, s.first_column, s.num_columns).t());
  at::Tensor mask = at::zeros(logits.sizes(), at::kDouble);
  if (!s.child_row.empty()) {
    mask.fill_(-std::numeric_limits<double>::infinity());
    for (size_t i = 0; i < s.child_row.size(); ++i) mask[s.child_row[i]][s.child_column[i]] = 0.0;
  }
  const at::Tensor log_p = at::log_softmax(logits + mask, 1);
  at::Tensor loss = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < s.row.size(); ++i) {
    loss = loss - log_p[s.row[i]][s.column[i]] * static_cast<double>(s.weight[i]);
  }
  return loss;
}

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b).norm() / b.norm()).item<double>();
}

// Columns: 40 text rows, then 600 ID rows. All columns; half of them listed (masked in a dense
// block); five listed (scored one by one).
class HeadLossOn : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string("device")) forced_ = std::make_unique<plain::Forced>();
  }
  std::unique_ptr<plain::Forced> forced_;
};
INSTANTIATE_TEST_SUITE_P(Both, HeadLossOn, testing::Values("cpu", "device"),
                         [](const auto& test) { return test.param; });

TEST_P(HeadLossOn, EqualsLogSoftmaxOverTheColumnsOfEachSlice) {
  constexpr int64_t kText = 40, kIds = 600, kWidth = 37;
  const OwnedSlice wide(0, 9, 0, kText + kIds, 0), level(9, 7, kText, 300, 0),
      masked(16, 11, kText + 100, 400, 200), listed(27, 20, kText + 50, 500, 5);
  const std::vector<HeadSlice> slices = {wide.slice, level.slice, masked.slice, listed.slice};
  std::vector<at::Tensor> fused_inputs = {random({50, kWidth}, 1), random({kIds, kWidth}, 2),
                                          random({kText, kWidth}, 3)};
  std::vector<at::Tensor> exact;
  for (at::Tensor& t : fused_inputs) {
    exact.push_back(t.to(at::kDouble).set_requires_grad(true));
    t.set_requires_grad(true);
  }
  std::vector<double> by_slice;
  const at::Tensor loss = head_loss(
      fused_inputs[0], {.ids = fused_inputs[1], .text = fused_inputs[2]}, slices, &by_slice);
  (loss * 0.25).backward();
  const at::Tensor head = at::cat({exact[2], exact[1]});
  at::Tensor reference = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < slices.size(); ++i) {
    const at::Tensor part = plain(exact[0], head, slices[i]);
    EXPECT_NEAR(by_slice[i] / part.item<double>(), 1.0, 1e-6) << "slice " << i;
    reference = reference + part;
  }
  (reference * 0.25).backward();
  EXPECT_LT(relative(loss.detach(), reference.detach()), 1e-6);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_LT(relative(fused_inputs[i].grad(), exact[i].grad()), 1e-6) << "input " << i;
  }
}

TEST(HeadLoss, GivesNoGradientToWhatIsFrozenAndNoneAtAllWithoutGradMode) {
  const OwnedSlice level(0, 9, 0, 300, 0);
  at::Tensor hidden = random({9, 16}, 1).set_requires_grad(true);
  const at::Tensor frozen = random({300, 16}, 2);
  const std::vector<HeadSlice> slices = {level.slice};
  head_loss(hidden, {.ids = frozen, .text = {}}, slices).backward();
  EXPECT_GT(hidden.grad().norm().item<double>(), 0);
  EXPECT_FALSE(frozen.grad().defined());
  const c10::NoGradGuard no_grad;
  EXPECT_FALSE(head_loss(hidden, {.ids = frozen, .text = {}}, slices).requires_grad());
}

// Matrix products may differ in their last bits between numbers of threads; these sums may not.
TEST(HeadLoss, OverFewChildrenGivesTheSameBytesOnOneAndTwoThreads) {
  const OwnedSlice listed(0, 120, 0, 500, 5);
  const std::vector<HeadSlice> slices = {listed.slice};
  std::vector<at::Tensor> results;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    at::Tensor hidden = random({120, 160}, 1).set_requires_grad(true),
               head = random({600, 160}, 2).set_requires_grad(true);
    const at::Tensor loss = head_loss(hidden, {.ids = head, .text = {}}, slices);
    loss.backward();
    results.push_back(
        at::cat({loss.detach().view({1}), hidden.grad().view({-1}), head.grad().view({-1})}));
  }
  EXPECT_TRUE(results[0].equal(results[1]));
}

}  // namespace
}  // namespace tutti::trainer
