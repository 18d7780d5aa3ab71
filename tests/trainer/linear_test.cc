#include "trainer/models/linear.h"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "checkpoints/lora.h"
#include "dist/runtime/rng.h"
#include "trainer/models/few_rows.h"
#include "trainer/models/parameters.h"

namespace tutti::trainer {
namespace {

void fill(const at::Tensor& t, uint64_t stream) {
  Rng rng(1, Purpose::kTest, stream);
  auto* out = t.mutable_data_ptr<float>();
  for (int64_t i = 0; i < t.numel(); ++i) out[i] = static_cast<float>(rng.normal());
}

at::Tensor random(at::IntArrayRef shape, uint64_t stream) {
  at::Tensor t = at::empty(shape, at::kFloat);
  fill(t, stream);
  return t;
}

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / b.to(at::kDouble).norm()).item<double>();
}

class LinearTest : public testing::Test {
 protected:
  void SetUp() override {
    store_.declare("q", {7, 5});
    store_.declare("norm", {5}, /*decay=*/false);
    store_.declare("k", {9, 5});
    store_.declare("o", {5, 7});
    store_.declare("frozen", {4, 5}, /*decay=*/true, /*trainable=*/false);
    store_.place_together({"q", "k"});
    store_.allocate();
    uint64_t stream = 10;
    for (Parameter& p : store_.all()) fill(p.value.detach(), ++stream);
  }
  at::Tensor exact(const std::string& name) {
    return store_.value(name).detach().to(at::kDouble).set_requires_grad(true);
  }

  ParameterStore store_;
};

TEST_F(LinearTest, EqualsItsDefinitionAndAddsToTheGradientsThatAreThere) {
  const at::Tensor x = random({11, 5}, 1).set_requires_grad(true), g = random({11, 16}, 2);
  fill(store_.flat_grads(), 3);
  const at::Tensor before = store_.flat_grads().clone();
  const at::Tensor y = linear(x, store_.weight({"q", "k"}));
  (y * g).sum().backward();

  const at::Tensor exact_x = x.detach().to(at::kDouble).set_requires_grad(true), q = exact("q"),
                   k = exact("k");
  const at::Tensor reference = at::cat({at::linear(exact_x, q), at::linear(exact_x, k)}, 1);
  (reference * g).sum().backward();
  EXPECT_LT(relative(y.detach(), reference.detach()), 1e-6);
  EXPECT_LT(relative(x.grad(), exact_x.grad()), 1e-6);
  const auto old = [&](const char* name) {
    const at::Tensor grad = store_.value(name).grad();
    return before.narrow(0, grad.storage_offset(), grad.numel()).view(grad.sizes());
  };
  EXPECT_LT(relative(store_.value("q").grad(), old("q") + q.grad()), 1e-6);
  EXPECT_LT(relative(store_.value("k").grad(), old("k") + k.grad()), 1e-6);
  EXPECT_TRUE(store_.value("o").grad().equal(old("o"))) << "another parameter was touched";
}

TEST(FewRows, EqualsItsDefinitionForAnyNumberOfRowsAndTheSameBytesForAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  for (const int64_t k : {1, 15, 16, 37, 512}) {
    for (int64_t rows = 1; rows <= 16; ++rows) {
      const int64_t columns =
          k == 512 ? 203 : 7;  // several threads' worth, and no multiple of four
      const at::Tensor x = random({rows, k}, 1), w = random({columns, k}, 2),
                       before = random({rows, columns}, 3);
      at::Tensor product = before.clone(), sum = before.clone(), on_two = before.clone();
      const auto multiply = [&](at::Tensor& out, bool add) {
        multiply_few_rows(x.const_data_ptr<float>(), rows, w.const_data_ptr<float>(), columns, k,
                          out.mutable_data_ptr<float>(), add);
      };
      at::set_num_threads(1);
      multiply(product, false);
      multiply(sum, true);
      at::set_num_threads(2);
      multiply(on_two, true);
      const at::Tensor exact = at::linear(x.to(at::kDouble), w.to(at::kDouble));
      EXPECT_LT(relative(product, exact), 1e-6) << rows << " rows of " << k;
      EXPECT_LT(relative(sum, exact + before), 1e-6) << rows << " rows of " << k;
      EXPECT_TRUE(on_two.equal(sum)) << rows << " rows of " << k;
    }
  }
  at::set_num_threads(threads);
}

// The product takes other ways for few rows, for some, for many and for what is left of many.
TEST(Linear, EqualsItsDefinitionForAnyNumberOfRows) {
  ParameterStore store;
  store.declare("w", {200, 130});
  store.allocate();
  const Weight weight = store.weight({"w"});
  const at::Tensor w = random({200, 130}, 1);
  weight.compute.copy_(w);
  for (const int64_t rows : {1, 5, 17, 64, 100, 127, 128, 129, 300}) {
    const at::Tensor x = random({rows, 130}, 2), residual = random({rows, 200}, 3);
    const at::Tensor reference = at::linear(x.to(at::kDouble), w.to(at::kDouble));
    EXPECT_LT(relative(linear(x, weight), reference), 1e-6) << rows << " rows";
    EXPECT_LT(relative(linear_residual(residual, x, weight), reference + residual), 1e-6)
        << rows << " rows";
  }
}

TEST_F(LinearTest, AddsTheResidual) {
  const at::Tensor x = random({11, 7}, 1).set_requires_grad(true),
                   residual = random({11, 5}, 2).set_requires_grad(true), g = random({11, 5}, 3);
  const at::Tensor y = linear_residual(residual, x, store_.weight({"o"}));
  (y * g).sum().backward();
  const at::Tensor exact_x = x.detach().to(at::kDouble).set_requires_grad(true), o = exact("o");
  const at::Tensor reference = at::linear(exact_x, o) + residual.detach();
  (reference * g).sum().backward();
  EXPECT_LT(relative(y.detach(), reference.detach()), 1e-6);
  EXPECT_LT(relative(x.grad(), exact_x.grad()), 1e-6);
  EXPECT_TRUE(residual.grad().equal(g));
  EXPECT_LT(relative(store_.value("o").grad(), o.grad()), 1e-6);
}

TEST_F(LinearTest, PassesGradientsThroughFrozenWeights) {
  const at::Tensor x = random({3, 5}, 1).set_requires_grad(true);
  const Weight frozen = store_.weight({"frozen"});
  EXPECT_FALSE(frozen.grad.defined());
  linear(x, frozen).sum().backward();
  EXPECT_LT(relative(x.grad(), store_.value("frozen").sum(0).expand({3, 5})), 1e-6);
  EXPECT_EQ(store_.flat_grads().abs().sum().item<double>(), 0);
  EXPECT_FALSE(linear(x.detach(), frozen).requires_grad());
}

TEST_F(LinearTest, RunsTheHooksBehindEveryParameterOfAProduct) {
  using torch::autograd::variable_list;
  std::vector<std::string> ran;
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators;
  for (const std::string name : {"q", "k", "o"}) {
    accumulators.push_back(torch::autograd::impl::grad_accumulator(store_.value(name)));
    accumulators.back()->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
        [&ran, name](const variable_list& outputs, const variable_list& /*inputs*/) {
          ran.push_back(name);
          return outputs;
        }));
  }
  linear(random({3, 5}, 1), store_.weight({"q", "k"})).sum().backward();
  EXPECT_THAT(ran, testing::UnorderedElementsAre("q", "k"));
}

// Two of three matrices that stand together have an adapter; the definition by autograd in fp64.
TEST(LinearAdapters, EqualTheirDefinitionInEveryGradient) {
  ParameterStore store;
  const checkpoints::LoraConfig lora = {.rank = 3, .alpha = 2, .targets = {"q", "v"}};
  const std::vector<std::string> names = {"q.weight", "k.weight", "v.weight"};
  for (const std::string& name : names) {
    store.declare(name, {name[0] == 'k' ? 9 : 7, 5}, /*decay=*/true, /*trainable=*/false);
  }
  store.place_together(names);
  store.adapt(lora);
  store.allocate();
  EXPECT_EQ(store.all().size(), 3U + 4U);
  uint64_t stream = 10;
  for (Parameter& p : store.all()) fill(p.value.detach(), ++stream);
  const auto exact = [&](const std::string& name) {
    return store.value(name).detach().to(at::kDouble).set_requires_grad(true);
  };
  const at::Tensor x = random({11, 5}, 1).set_requires_grad(true), g = random({11, 23}, 2),
                   residual = random({11, 23}, 3);
  const at::Tensor y = linear_residual(residual, x, store.weight(names));
  (y * g).sum().backward();

  const at::Tensor exact_x = x.detach().to(at::kDouble).set_requires_grad(true);
  std::vector<at::Tensor> columns;
  std::map<std::string, at::Tensor> leaves;
  for (const std::string& name : names) {
    at::Tensor column = at::linear(exact_x, exact(name));
    if (lora.adapts(name)) {
      const std::string a_name = checkpoints::lora_a_name(name),
                        b_name = checkpoints::lora_b_name(name);
      const at::Tensor a = leaves[a_name] = exact(a_name), b = leaves[b_name] = exact(b_name);
      column = column + lora.scale() * at::linear(at::linear(exact_x, a), b);
    }
    columns.push_back(column);
  }
  const at::Tensor reference = residual.to(at::kDouble) + at::cat(columns, 1);
  (reference * g).sum().backward();
  EXPECT_LT(relative(y.detach(), reference.detach()), 1e-6);
  EXPECT_LT(relative(x.grad(), exact_x.grad()), 1e-6);
  EXPECT_EQ(leaves.size(), 4U);
  for (const auto& [name, leaf] : leaves) {
    EXPECT_LT(relative(store.value(name).grad(), leaf.grad()), 1e-6) << name;
  }
}

TEST_F(LinearTest, GathersRowsAndSumsTheGradientsOfRepeatedOnes) {
  const Weight table = store_.weight({"k"});
  const std::vector<int64_t> rows = {3, 0, 3, 8};
  const at::Tensor g = random({4, 5}, 1);
  const at::Tensor y = gather_rows(table, at::tensor(rows, at::kLong));
  (y * g).sum().backward();
  const at::Tensor values = store_.value("k").detach(), grad = store_.value("k").grad();
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_TRUE(y.detach()[static_cast<int64_t>(i)].equal(values[rows[i]]));
  EXPECT_TRUE(grad[3].equal(g[0] + g[2]));
  EXPECT_TRUE(grad[8].equal(g[3]));
  EXPECT_EQ(grad[1].abs().sum().item<double>(), 0);
}

TEST_F(LinearTest, PlacesAGroupWithoutGapsAndKeepsTheOrderOfNames) {
  EXPECT_EQ(store_.all()[0].name, "q");
  EXPECT_EQ(store_.all()[2].name, "k");
  const Weight both = store_.weight({"q", "k"});
  EXPECT_EQ(both.compute.size(0), 16);
  EXPECT_TRUE(both.compute.narrow(0, 7, 9).equal(store_.value("k").detach()));
  EXPECT_EQ(store_.num_parameters(), 35 + 45 + 35 + 5);
}

}  // namespace
}  // namespace tutti::trainer
