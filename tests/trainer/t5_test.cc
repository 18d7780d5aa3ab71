#include "trainer/models/t5.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "tests/trainer/small_world.h"
#include "trainer/id_rows.h"

namespace tutti::trainer {
namespace {

TEST(T5Config, SurvivesItsJson) {
  const T5Config config = small_t5(random_id_table(50, 4, 1));
  const T5Config back = t5_config_from_json(to_json(config));
  EXPECT_EQ(to_json(back), to_json(config));
  EXPECT_EQ(back.inner_dim(), 24);
}

TEST(T5Config, NamesTheFieldThatIsMissingOrWrong) {
  const nlohmann::json good = to_json(small_t5(random_id_table(50, 4, 1)));
  for (const char* field : {"arch", "d_model", "text_rows", "layer_norm_epsilon"}) {
    nlohmann::json missing = good, wrong = good;
    missing.erase(field);
    wrong[field] = "many";
    for (const nlohmann::json& bad : {missing, wrong}) {
      try {
        t5_config_from_json(bad);
        ADD_FAILURE() << "accepted a bad " << field;
      } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
      }
    }
  }
}

TEST(T5Model, EncodesATitleTheSameBesideALongerOne) {
  T5Model model(small_t5(random_id_table(50, 4, 1)));
  model.initialize(1);
  const std::vector<int64_t> alone = {5, 6, 1}, both = {5, 6, 1, 0, 0, 0, 9, 8, 7, 6, 5, 1};
  const at::Tensor a = model.encode(at::tensor(alone, at::kLong).view({1, 3}),
                                    at::tensor(std::vector<int64_t>{3}, at::kLong));
  const at::Tensor b = model.encode(at::tensor(both, at::kLong).view({2, 6}),
                                    at::tensor(std::vector<int64_t>{3, 6}, at::kLong));
  EXPECT_LT((a - b.narrow(0, 0, 3)).abs().max().item<double>(), 1e-5);
}

TEST(T5Model, InitialisesEveryTensorTheSameFromTheSameSeed) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  T5Model a(small_t5(table)), b(small_t5(table)), c(small_t5(table));
  a.initialize(1);
  b.initialize(1);
  c.initialize(2);
  EXPECT_TRUE(a.flat_values().equal(b.flat_values()));
  EXPECT_FALSE(a.flat_values().equal(c.flat_values()));
}

TEST(IdRows, StartNearEachOtherWhereTheirCodesAre) {
  ids::IdTable table = random_id_table(50, 4, 1);
  table.vector_dim = 3;
  table.token_vectors.assign(static_cast<size_t>(table.num_tokens()) * 3, 0.0F);
  const auto set = [&](int32_t token, float x, float y, float z) {
    float* v = &table.token_vectors[static_cast<size_t>(token) * 3];
    v[0] = x, v[1] = y, v[2] = z;
  };
  set(0, 1, 0, 0);
  set(1, 1, 0.01F, 0);
  set(2, -1, 0, 0);
  set(3, 0, 0, 2);
  T5Model model(small_t5(table)), untouched(small_t5(table));
  model.initialize(1);
  untouched.initialize(1);
  start_id_rows_from_codebooks(model, table, 1);
  const at::Tensor rows = model.find("id_embedding.weight")->value.detach();
  const double near = (rows[0] - rows[1]).norm().item<double>(),
               far = (rows[0] - rows[2]).norm().item<double>();
  EXPECT_LT(near, 0.05 * far);
  EXPECT_GT(far, 0);
  const double rms = rows.narrow(0, 0, 4).square().mean().sqrt().item<double>();
  EXPECT_GT(rms, 0.5) << "the scale of a random row is 1";
  EXPECT_LT(rms, 2.0);
  const at::Tensor before = untouched.find("lm_head.id.weight")->value.detach(),
                   head = model.find("lm_head.id.weight")->value.detach();
  const int64_t suffix = table.levels.back().first_token;
  EXPECT_TRUE(head[suffix].equal(before[suffix])) << "suffix tokens stand for no vector";
}

TEST(UnreadTokens, AreThoseOfTheLastLevelWhereNoOtherPositionHasThem) {
  ids::IdTable table = random_id_table(50, 4, 1);
  EXPECT_EQ(unread_tokens(table), table.levels.back().num_tokens);
  EXPECT_EQ(unread_tokens(random_text_table(50, 4, 1)), 0);
  table.levels.resize(1);
  EXPECT_EQ(unread_tokens(table), 0) << "of a single level nothing is read at all";
}

// A model without input rows for the tokens that end IDs computes what one with them computes, and
// reads them as zeros where a search that knows no trie comes to them.
TEST(UnreadTokens, HaveNoInputRowsUnderAnUntiedHead) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  T5Config config = small_t5(table);
  T5Model model(config);
  config.unread_ids = 0;
  T5Model full(config);
  model.initialize(1);
  const int64_t read = table.num_tokens() - table.levels.back().num_tokens;
  {
    const c10::NoGradGuard no_grad;
    for (const Parameter& p : model.parameters()) {
      full.find(p.name)->value.zero_();
      full.find(p.name)->value.narrow(0, 0, p.shape[0]).copy_(p.value);
    }
  }
  EXPECT_EQ(model.find("id_embedding.weight")->shape[0], read);
  EXPECT_EQ(full.find("id_embedding.weight")->shape[0], table.num_tokens());
  const auto tokens = [](std::vector<int64_t> values) { return at::tensor(values, at::kLong); };
  const auto second_step = [&](const T5Model& m, int64_t token) {
    const at::Tensor lengths = tokens({3}), row = tokens({0});
    DecoderState state = m.start(m.encode(tokens({5, 6, 1}).view({1, 3}), lengths), lengths);
    m.step(state, tokens({-1}), row, row);
    return m.step(state, tokens({token}), row, row);
  };
  const c10::NoGradGuard no_grad;
  for (const int64_t token : {int64_t{0}, read - 1, read, int64_t{table.num_tokens()} - 1}) {
    EXPECT_TRUE(second_step(model, token).equal(second_step(full, token))) << token;
  }
  config.tie_word_embeddings = true;
  EXPECT_EQ(T5Model(config).find("id_embedding.weight")->shape[0], table.num_tokens());
}

TEST(IdRows, TakeTheScaleOfALoadedBase) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  T5Model model(small_t5(table));
  model.initialize(1);
  const auto rms = [&](const char* name) {
    return model.find(name)->value.detach().square().mean().sqrt().item<double>();
  };
  {
    const c10::NoGradGuard no_grad;
    model.find("shared.weight")->value.mul_(7);
    model.find("decoder.final_layer_norm.weight")->value.fill_(0.25);
  }
  scale_id_rows_to_base(model);
  EXPECT_NEAR(rms("id_embedding.weight") / rms("shared.weight"), 1.0, 0.1);
  EXPECT_NEAR(rms("lm_head.id.weight"), 4 * std::pow(32, -0.5), 0.1);
}

}  // namespace
}  // namespace tutti::trainer
