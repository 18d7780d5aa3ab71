#include "ids/gemm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "ids/tile_gemm.h"

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

// Of one tile, of parts of tiles and of several in each direction; and, behind them, products that
// go to oneDNN whole: of one piece, of pieces and a rest, in m, in k and in both.
const std::vector<std::vector<int64_t>> kShapes = {
    {1, 1, 1},        {3, 5, 7},        {1, 600, 70},     {70, 1, 1},
    {64, 128, 256},   {1024, 128, 384}, {200, 1333, 96},  {777, 555, 131},
    {1024, 512, 256}, {1100, 128, 512}, {128, 1333, 512}, {777, 700, 150}};

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

TEST(Gemm, TakesPartsOfLargerTensors) {
  const at::Tensor large = at::randn({300, 400});
  const at::Tensor a = large.narrow(0, 3, 90).narrow(1, 7, 150);
  const at::Tensor b = large.narrow(0, 100, 150).narrow(1, 11, 133);
  const at::Tensor exact = at::mm(a.to(at::kDouble), b.to(at::kDouble));
  EXPECT_LT(relative_error(product(a, b), exact), 1e-6);
  const at::Tensor turned = at::mm(b.t().to(at::kDouble), a.t().to(at::kDouble));
  EXPECT_LT(relative_error(product(b.t(), a.t()), turned), 1e-6);
}

TEST(Gemm, TakesViewsWithoutContiguousRowsOrColumns) {
  const at::Tensor a = at::randn({40, 30, 2}).select(2, 0), b = at::randn({30, 50, 2}).select(2, 1);
  EXPECT_LT(relative_error(product(a, b), at::mm(a.to(at::kDouble), b.to(at::kDouble))), 1e-6);
}

TEST(Gemm, GivesTheSameBytesForAnyNumberOfThreads) {
  const at::Tensor a = at::randn({333, 600}).t(), b = at::randn({200, 333}).t();
  const auto by_threads = [&](int threads) {
    at::set_num_threads(threads);
    return product(a, b);
  };
  const at::Tensor one = by_threads(1);
  for (const int threads : {2, 3, 8}) EXPECT_TRUE(at::equal(by_threads(threads), one)) << threads;
  at::set_num_threads(1);
}

TEST(Gemm, GivesARowTheSameBytesWhateverRowsStandAroundIt) {
  if (!has_tile_gemm()) return;  // at::mm chooses by the number of rows
  const at::Tensor a = at::randn({150, 96}), b = at::randn({200, 96}).t();
  const at::Tensor whole = product(a, b);
  for (const int64_t rows : {1, 5, 30, 64, 77}) {
    EXPECT_TRUE(at::equal(product(a.narrow(0, 20, rows), b), whole.narrow(0, 20, rows))) << rows;
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

#ifdef __x86_64__
TEST(Gemm, GoesByTilesWhereTheCpuHasAvx512) {
  EXPECT_EQ(has_tile_gemm(), __builtin_cpu_supports("avx512bw") != 0)
      << "this libtorch hides brgemm: small products take up to three times as long";
}
#endif

TEST(Gemm, ReachesOneDnnInThisBuild) {
  EXPECT_TRUE(gemm_has_onednn())
      << "this libtorch hides mkldnn_matmul: products fall back to at::mm";
}

}  // namespace
}  // namespace tutti::ids
