#include "ids/gemm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace tutti::ids {
namespace {

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  return ((got.to(at::kDouble) - want).norm() / want.norm()).item<double>();
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  gemm(a, b, out);
  return out;
}

// Small, whole pieces, pieces and a rest, in m, in k and in both.
const std::vector<std::vector<int64_t>> kShapes = {
    {1, 1, 1},        {3, 5, 7},       {64, 128, 256}, {1024, 128, 384},
    {1100, 128, 384}, {200, 1333, 96}, {777, 555, 131}};

TEST(Gemm, IsTheProductForEveryKindOfShape) {
  for (const auto& shape : kShapes) {
    const at::Tensor a = at::randn({shape[0], shape[1]}), b = at::randn({shape[1], shape[2]});
    EXPECT_LT(relative_error(product(a, b), at::mm(a.to(at::kDouble), b.to(at::kDouble))), 1e-6);
  }
}

TEST(Gemm, TakesTransposedViews) {
  for (const auto& shape : kShapes) {
    const at::Tensor a = at::randn({shape[1], shape[0]}).t(),
                     b = at::randn({shape[2], shape[1]}).t();
    EXPECT_LT(relative_error(product(a, b), at::mm(a.to(at::kDouble), b.to(at::kDouble))), 1e-6);
  }
}

TEST(Gemm, AddsToWhatIsThere) {
  for (const auto& shape : kShapes) {
    const at::Tensor a = at::randn({shape[0], shape[1]}), b = at::randn({shape[1], shape[2]});
    at::Tensor out = at::full({shape[0], shape[2]}, 2.5F);
    gemm(a, b, out, 1);
    EXPECT_LT(relative_error(out, at::mm(a.to(at::kDouble), b.to(at::kDouble)) + 2.5), 1e-6);
  }
}

TEST(Gemm, WritesIntoRowsOfALargerTensor) {
  const at::Tensor a = at::randn({300, 128}), b = at::randn({128, 192});
  at::Tensor large = at::full({500, 400}, 7.0F);
  at::Tensor out = large.narrow(0, 100, 300).narrow(1, 50, 192);
  gemm(a, b, out);
  EXPECT_LT(relative_error(out, at::mm(a.to(at::kDouble), b.to(at::kDouble))), 1e-6);
  const double outside =
      large.to(at::kDouble).sum().item<double>() - out.to(at::kDouble).sum().item<double>();
  EXPECT_NEAR(outside, 7.0 * (500 * 400 - 300 * 192), 1e-6);
}

TEST(Gemm, ComputesInBfloat16) {
  const at::Tensor a = at::randn({513, 256}).to(at::kBFloat16),
                   b = at::randn({256, 128}).to(at::kBFloat16);
  EXPECT_LT(relative_error(product(a, b), at::mm(a.to(at::kDouble), b.to(at::kDouble))), 5e-3);
}

TEST(Gemm, LeavesNothingOfTheOldContentWithoutBeta) {
  at::Tensor out = at::full({4, 3}, std::numeric_limits<float>::quiet_NaN());
  gemm(at::randn({4, 2}), at::randn({2, 3}), out);
  EXPECT_TRUE(out.isfinite().all().item<bool>());
  gemm(at::empty({4, 0}), at::empty({0, 3}), out);
  EXPECT_EQ(out.abs().sum().item<double>(), 0);
}

TEST(Gemm, ReachesOneDnnInThisBuild) {
  EXPECT_TRUE(gemm_has_onednn())
      << "this libtorch hides mkldnn_matmul: products fall back to at::mm";
}

}  // namespace
}  // namespace tutti::ids
