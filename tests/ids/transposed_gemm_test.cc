#include "ids/transposed_gemm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace tutti::ids {
namespace {

class TransposedProduct : public testing::Test {
 protected:
  void SetUp() override {
    at::Tensor out = at::full({1, 1}, 0.0F);
    const at::Tensor one = at::full({2, 1}, 1.0F).to(at::kBFloat16);
    if (!add_transposed_product(one, one, out)) {
      GTEST_SKIP() << "this CPU or libtorch has no product of bf16 with sums in fp32";
    }
  }
};

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  return ((got.to(at::kDouble) - want).norm() / want.norm()).item<double>();
}

at::Tensor reference(const at::Tensor& a, const at::Tensor& b) {
  return at::mm(a.t().to(at::kDouble), b.to(at::kDouble));
}

// One number; less than a block; whole blocks; an odd k; a rest in m, n and k; several tiles.
const std::vector<std::vector<int64_t>> kShapes = {
    {1, 1, 1}, {5, 3, 7}, {64, 64, 256}, {513, 128, 96}, {527, 131, 259}, {1100, 200, 600}};

TEST_F(TransposedProduct, AddsTheExactSumsToWhatIsThere) {
  for (const auto& shape : kShapes) {
    const at::Tensor a = at::randn({shape[0], shape[1]}).to(at::kBFloat16),
                     b = at::randn({shape[0], shape[2]}).to(at::kBFloat16);
    at::Tensor out = at::full({shape[1], shape[2]}, 2.5F);
    ASSERT_TRUE(add_transposed_product(a, b, out));
    EXPECT_LT(relative_error(out, reference(a, b) + 2.5), 1e-6) << "k = " << shape[0];
  }
}

TEST_F(TransposedProduct, ReadsAndWritesRowsOfLargerTensors) {
  const at::Tensor a = at::randn({100, 90}).to(at::kBFloat16).narrow(1, 11, 70),
                   b = at::randn({100, 50}).to(at::kBFloat16).narrow(1, 3, 40);
  at::Tensor large = at::full({80, 60}, 7.0F), out = large.narrow(0, 5, 70).narrow(1, 9, 40);
  ASSERT_TRUE(add_transposed_product(a, b, out));
  EXPECT_LT(relative_error(out, reference(a, b) + 7.0), 1e-6);
  const double outside =
      large.to(at::kDouble).sum().item<double>() - out.to(at::kDouble).sum().item<double>();
  EXPECT_NEAR(outside, 7.0 * (80 * 60 - 70 * 40), 1e-6);
}

TEST_F(TransposedProduct, GivesTheSameBytesForAnyNumberOfThreads) {
  const at::Tensor a = at::randn({700, 300}).to(at::kBFloat16),
                   b = at::randn({700, 500}).to(at::kBFloat16);
  const int before = at::get_num_threads();
  std::vector<at::Tensor> outs;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    outs.push_back(at::full({300, 500}, 0.0F));
    ASSERT_TRUE(add_transposed_product(a, b, outs.back()));
  }
  at::set_num_threads(before);
  EXPECT_TRUE(outs[0].equal(outs[1]));
}

}  // namespace
}  // namespace tutti::ids
