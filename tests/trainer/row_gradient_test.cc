// Tables of which a step reads few rows: their gradient, their AdamW, their way between ranks.
#include "trainer/models/row_gradient.h"

#include <gmock/gmock.h>

#include <cmath>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "tests/support/thread_communicator.h"
#include "tests/trainer/small_world.h"
#include "trainer/gradient_reducer.h"
#include "trainer/loss.h"
#include "trainer/optimizer.h"

namespace tutti::trainer {
namespace {

using testing::ElementsAre;

std::vector<float> random_values(size_t count, uint64_t stream) {
  Rng rng(3, Purpose::kTest, stream);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

TEST(RowGradient, SumsRepeatedRowsAndForgetsThemWhenCleared) {
  RowGradient gradient(10, 3);
  const std::vector<int64_t> rows = {7, 2, 7};
  const std::vector<float> values = {1, 2, 3, 10, 20, 30, 100, 200, 300};
  gradient.add(rows, values);
  EXPECT_THAT(gradient.rows(), ElementsAre(7, 2));
  EXPECT_THAT(gradient.values(), ElementsAre(101, 202, 303, 10, 20, 30));
  EXPECT_EQ(gradient.dense()[7][1].item<float>(), 202);
  EXPECT_NEAR(gradient.sum_of_squares(), 101.0 * 101 + 202.0 * 202 + 303.0 * 303 + 100 + 400 + 900,
              1e-6 * 1.5e5);
  gradient.clear();
  EXPECT_TRUE(gradient.rows().empty());
  EXPECT_EQ(gradient.dense().abs().sum().item<double>(), 0);
}

TEST(RowGradient, IsWhereTheTitleTableOfAnUntiedModelCollects) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  T5Config config = small_t5(table);
  T5Model untied(config);
  const Parameter& shared = *untied.find("shared.weight");
  ASSERT_NE(shared.rows, nullptr);
  const float *begin = untied.flat_values().const_data_ptr<float>(),
              *value = shared.value.const_data_ptr<float>();
  EXPECT_TRUE(value < begin || value >= begin + untied.flat_values().numel());
  config.tie_word_embeddings = true;
  EXPECT_EQ(T5Model(config).find("shared.weight")->rows, nullptr) << "its head may read all rows";
}

// What AdamW does to one row if the steps that touch it were all there are.
TEST(AdamWOfRows, EqualsDenseAdamWOnTheStepsThatTouchARow) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  T5Model model(small_t5(table));
  model.initialize(3);
  const AdamWOptions options = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
  AdamW optimizer(model, options);
  Parameter& shared = *model.find("shared.weight");
  const int64_t rows = shared.shape[0], d = shared.shape[1];
  std::vector<double> value(rows * d), m(rows * d, 0.0), v(rows * d, 0.0);
  for (int64_t i = 0; i < rows * d; ++i) value[i] = shared.value.const_data_ptr<float>()[i];
  const std::vector<double> start = value;
  std::vector<int64_t> count(rows, 0);

  const std::vector<std::vector<int64_t>> touched = {{5, 9, 5}, {9}, {5, 30}, {}, {9, 30, 9}};
  const double divisor = 2.5;
  for (size_t step = 0; step < touched.size(); ++step) {
    const double rate = 1e-2 / static_cast<double>(step + 1);
    const std::vector<float> values = random_values(touched[step].size() * d, step);
    shared.rows->add(touched[step], values);
    for (const int64_t row : {5, 9, 30}) {
      std::vector<double> g(d, 0.0);
      bool is_touched = false;
      for (size_t i = 0; i < touched[step].size(); ++i) {
        if (touched[step][i] != row) continue;
        is_touched = true;
        for (int64_t k = 0; k < d; ++k) g[k] += values[i * d + k] / divisor;
      }
      if (!is_touched) continue;
      ++count[row];
      for (int64_t k = 0; k < d; ++k) {
        const int64_t i = row * d + k;
        m[i] = options.beta1 * m[i] + (1 - options.beta1) * g[k];
        v[i] = options.beta2 * v[i] + (1 - options.beta2) * g[k] * g[k];
        const double m_hat = m[i] / (1 - std::pow(options.beta1, count[row])),
                     v_hat = v[i] / (1 - std::pow(options.beta2, count[row]));
        value[i] -=
            rate * (m_hat / (std::sqrt(v_hat) + options.epsilon) + options.weight_decay * value[i]);
      }
    }
    optimizer.step(rate, divisor);
    EXPECT_TRUE(shared.rows->rows().empty());
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < d; ++k) {
      const float found = shared.value.const_data_ptr<float>()[row * d + k];
      if (count[row] == 0) {
        ASSERT_EQ(found, static_cast<float>(start[row * d + k])) << "row " << row << " moved";
      } else {
        ASSERT_NEAR(found, value[row * d + k], 2e-6) << "row " << row;
      }
    }
  }
}

TEST(AdamWOfRows, EqualsTheDenseOptimizerWhereEveryStepTouchesTheRow) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  T5Config tied = small_t5(table);
  tied.tie_word_embeddings = true;
  T5Model sparse(small_t5(table)), dense(tied);
  Parameter &a = *sparse.find("shared.weight"), &b = *dense.find("shared.weight");
  ASSERT_EQ(b.rows, nullptr);
  AdamW sparse_optimizer(sparse, {}), dense_optimizer(dense, {});
  for (uint64_t step = 0; step < 5; ++step) {
    const std::vector<float> g = random_values(a.shape[1], step);
    a.rows->add(std::vector<int64_t>{4}, g);
    std::copy(g.begin(), g.end(), b.value.grad().mutable_data_ptr<float>() + 4 * a.shape[1]);
    sparse_optimizer.step(1e-2, 1.0);
    dense_optimizer.step(1e-2, 1.0);
    EXPECT_TRUE(a.value[4].equal(b.value[4]));
  }
}

TEST(GradientReducerOfRows, GivesEveryRankTheSumAndTheNormOfTheUnion) {
  const ids::IdTable table = random_id_table(300, 5, 3);
  const ids::Trie trie = ids::build_trie(table);
  const std::vector<OwnedGroup> owned = random_groups(6, 300, 15, 5);
  std::vector<TitleGroup> groups;
  for (const OwnedGroup& g : owned) groups.push_back({g.title_tokens, g.tracks});
  struct Outcome {
    at::Tensor rows;
    double norm = 0;
    size_t num_touched = 0;
  };
  const auto reduce = [&](int num_ranks, bool zero) {
    std::vector<Outcome> outcomes(num_ranks);
    run_ranks(num_ranks, [&](Communicator& comm) {
      T5Model model(small_t5(table));
      model.initialize(11);
      GradientReducer reducer(model.parameters(),
                              {model.flat_values(), model.flat_grads(), model.num_decay_elements()},
                              comm, {.bucket_elements = 1000, .zero = zero});
      reducer.begin_last_backward(0);
      std::vector<TitleGroup> mine;  // the last rank of five has none
      for (size_t i = 0; i < groups.size(); ++i) {
        if (static_cast<int>(i) % std::max(1, num_ranks - 1) == comm.rank())
          mine.push_back(groups[i]);
      }
      if (!mine.empty()) packed_loss(model, pack(mine, table, trie), table).backward();
      reducer.finish();
      const RowGradient& rows = *model.find("shared.weight")->rows;
      outcomes[comm.rank()] = {rows.dense(), reducer.grad_norm(), rows.rows().size()};
    });
    return outcomes;
  };
  const Outcome one = reduce(1, false)[0];
  EXPECT_LT(one.num_touched, 50U) << "the test would not see a dense gradient";
  for (const int num_ranks : {2, 5}) {
    for (const bool zero : {false, true}) {
      const std::vector<Outcome> all = reduce(num_ranks, zero);
      for (const Outcome& rank : all) {
        EXPECT_EQ(rank.num_touched, one.num_touched);
        EXPECT_TRUE(rank.rows.equal(all[0].rows)) << "ranks differ";
        EXPECT_LT((rank.rows - one.rows).norm().item<double>(),
                  1e-5 * one.rows.norm().item<double>());
        EXPECT_NEAR(rank.norm / one.norm, 1.0, 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace tutti::trainer
