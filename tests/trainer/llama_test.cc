#include "trainer/models/llama.h"

#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoints/lora.h"
#include "ids/trie.h"
#include "tests/trainer/small_world.h"
#include "trainer/id_rows.h"
#include "trainer/loss.h"
#include "trainer/models/make_model.h"

namespace tutti::trainer {
namespace {

checkpoints::LlamaConfig small_llama(int64_t id_tokens) {
  return {.family = checkpoints::LlamaFamily::kQwen3,
          .text_rows = 50,
          .id_tokens = id_tokens,
          .hidden_size = 24,
          .intermediate_size = 32,
          .num_hidden_layers = 2,
          .num_attention_heads = 4,
          .num_key_value_heads = 2,
          .head_dim = 10,
          .rope_scaling = {},
          .qk_norm = true,
          .tie_word_embeddings = false};
}

// Two titles, of three tokens and of five.
TitleInputs two_titles() {
  return {
      .tokens =
          at::tensor(std::vector<int64_t>{5, 6, 1, 0, 0, 9, 8, 7, 6, 1}, at::kLong).view({2, 5}),
      .lengths = at::tensor(std::vector<int64_t>{3, 5}, at::kLong)};
}

at::Tensor integers(const std::vector<int64_t>& values) {
  return at::tensor(values, at::kLong);
}

TEST(LlamaModel, ComesBackFromItsShape) {
  const LlamaModel model(small_llama(30));
  const auto back = make_model(model.shape());
  EXPECT_EQ(back->shape(), model.shape());
  EXPECT_EQ(back->parameters().size(), model.parameters().size());
}

TEST(LlamaModel, DecodesForkingBeamsAsEachPathAlone) {
  at::set_num_threads(1);
  const c10::NoGradGuard no_grad;
  LlamaModel model(small_llama(30));
  model.initialize(2);
  const TitleInputs titles = two_titles();
  const auto alone = [&](int64_t title, const std::vector<int64_t>& path) {
    DecoderState state = model.start(titles);
    const at::Tensor zero = integers({0}), of = integers({title});
    at::Tensor hidden = model.step(state, zero, zero, of);
    for (const int64_t token : path) hidden = model.step(state, integers({token}), zero, of);
    return hidden[0];
  };
  // Both titles fork in two; then the beams change places, and one dies.
  DecoderState state = model.start(titles);
  at::Tensor hidden = model.step(state, integers({0, 0}), integers({0, 0}), integers({0, 1}));
  EXPECT_LT((hidden[1] - alone(1, {})).abs().max().item<double>(), 1e-5);
  hidden =
      model.step(state, integers({3, 4, 5, 3}), integers({0, 0, 1, 1}), integers({0, 0, 1, 1}));
  EXPECT_LT((hidden[2] - alone(1, {5})).abs().max().item<double>(), 1e-5);
  hidden = model.step(state, integers({17, 12, 11}), integers({3, 1, 1}), integers({1, 0, 0}));
  const std::vector<std::vector<int64_t>> paths = {{3, 17}, {4, 12}, {4, 11}};
  for (int64_t row = 0; row < 3; ++row) {
    EXPECT_LT((hidden[row] - alone(row == 0 ? 1 : 0, paths[row])).abs().max().item<double>(), 1e-5)
        << row;
  }
  EXPECT_GT((hidden[1] - hidden[2]).abs().max().item<double>(), 1e-4) << "tokens make a difference";
}

class LlamaTraining : public testing::Test {
 protected:
  LlamaTraining() {
    at::set_num_threads(1);
    for (const OwnedGroup& g : owned_) groups_.push_back({g.title_tokens, g.tracks});
    batch_ = pack(groups_, table_, trie_);
  }

  ids::IdTable table_ = random_id_table(60, 4, 1);
  ids::Trie trie_ = ids::build_trie(table_);
  std::vector<OwnedGroup> owned_ = random_groups(6, 60, 10, 2);
  std::vector<TitleGroup> groups_;
  PackedBatch batch_;
};

TEST_F(LlamaTraining, HasTheSameGradientsWhenBlocksAreComputedAgain) {
  LlamaModel kept(small_llama(table_.num_tokens())), again(small_llama(table_.num_tokens()));
  kept.initialize(3);
  again.initialize(3);
  again.set_compute({.checkpoint_activations = true});
  packed_loss(kept, batch_, table_).backward();
  packed_loss(again, batch_, table_).backward();
  const double size = kept.flat_grads().norm().item<double>();
  EXPECT_GT(size, 0);
  EXPECT_LT((kept.flat_grads() - again.flat_grads()).norm().item<double>(), 1e-6 * size);
}

TEST_F(LlamaTraining, IsNearTheFp32LossInBf16) {
  LlamaModel exact(small_llama(table_.num_tokens())), rounded(small_llama(table_.num_tokens()));
  exact.initialize(3);
  rounded.initialize(3);
  rounded.set_compute({.precision = Precision::kBf16});
  const double loss = packed_loss(exact, batch_, table_).item<double>(),
               near = packed_loss(rounded, batch_, table_).item<double>();
  EXPECT_NE(loss, near);
  EXPECT_NEAR(loss, near, 0.01 * loss);
}

TEST_F(LlamaTraining, ChangesIdRowsOnlyWhenAllElseIsFrozen) {
  LlamaModel model(small_llama(table_.num_tokens()), TrainedPart::kIdRows);
  model.initialize(3);
  packed_loss(model, batch_, table_).backward();
  for (const Parameter& p : model.parameters()) {
    const bool is_id_row = p.name == "id_embedding.weight" || p.name == "lm_head.id.weight";
    EXPECT_EQ(p.trainable, is_id_row) << p.name;
    if (is_id_row) {
      EXPECT_GT(p.value.grad().norm().item<double>(), 0) << p.name;
    }
  }
}

// A tied vocabulary that predicts nothing: its gradient as a list of rows is that of dense rows.
TEST_F(LlamaTraining, KeepsTheGradientOfTiedTextRowsAsTheRowsTouched) {
  checkpoints::LlamaConfig config = small_llama(table_.num_tokens());
  config.tie_word_embeddings = true;
  LlamaModel dense(config), sparse(config, TrainedPart::kAll, TextRows::kSparse);
  dense.initialize(3);
  sparse.initialize(3);
  packed_loss(dense, batch_, table_).backward();
  packed_loss(sparse, batch_, table_).backward();
  const char* name = "model.embed_tokens.weight";
  const Parameter& rows = *sparse.find(name);
  ASSERT_TRUE(rows.rows);
  EXPECT_TRUE(rows.rows->dense().equal(dense.find(name)->value.grad()));
  std::vector<bool> is_read(static_cast<size_t>(config.text_rows), false);
  size_t num_read = 0;
  for (const OwnedGroup& group : owned_) {
    for (const int32_t token : group.title_tokens) {
      num_read += is_read.at(token) ? 0 : 1;
      is_read[token] = true;
    }
  }
  EXPECT_EQ(rows.rows->rows().size(), num_read);
  EXPECT_LT(num_read, is_read.size());
  EXPECT_LT(sparse.flat_values().numel(), dense.flat_values().numel());
}

class LlamaAdapters : public LlamaTraining {
 protected:
  LlamaAdapters() {
    plain_ = small_llama(table_.num_tokens());
    adapted_ = plain_;
    adapted_.lora = {.rank = 3, .alpha = 5, .targets = {"q_proj", "v_proj", "o_proj", "up_proj"}};
  }
  // A model with the values that the other has by the same names.
  static LlamaModel copy_of(const IdModel& other, const checkpoints::LlamaConfig& config) {
    const c10::NoGradGuard no_grad;
    LlamaModel model(config);
    model.initialize(4);
    for (const Parameter& p : other.parameters()) {
      if (Parameter* own = model.find(p.name)) own->value.copy_(p.value);
    }
    return model;
  }
  std::vector<std::string> adapted_matrices() const {
    std::vector<std::string> names;
    const LlamaModel model(plain_);
    for (const Parameter& p : model.parameters()) {
      if (adapted_.lora->adapts(p.name)) names.push_back(p.name);
    }
    return names;
  }
  static std::span<float> values(LlamaModel& model, const std::string& name) {
    const at::Tensor& t = model.find(name)->value;
    return {t.data_ptr<float>(), static_cast<size_t>(t.numel())};
  }
  // `model`, whose adapters are drawn at random, and the same with its adapters merged.
  std::pair<LlamaModel, LlamaModel> drawn_and_merged() {
    LlamaModel model(adapted_);
    model.initialize(3);
    {
      const c10::NoGradGuard no_grad;
      const at::Generator generator = at::detail::createCPUGenerator(3);  // ATen's own has no seed
      for (Parameter& p : model.parameters()) {
        if (p.name.ends_with("lora_B.weight")) p.value.normal_(0, 0.1, generator);
      }
    }
    LlamaModel merged = copy_of(model, plain_);
    for (const std::string& name : adapted_matrices()) {
      checkpoints::add_adapter(values(merged, name), values(model, checkpoints::lora_a_name(name)),
                               values(model, checkpoints::lora_b_name(name)), *adapted_.lora);
    }
    return {std::move(model), std::move(merged)};
  }

  checkpoints::LlamaConfig plain_, adapted_;
};

TEST_F(LlamaAdapters, ComeBackFromTheShape) {
  const LlamaModel model(adapted_);
  EXPECT_EQ(adapted_matrices().size(), 2 * 4U);
  EXPECT_EQ(make_model(model.shape())->shape(), model.shape());
}

TEST_F(LlamaAdapters, ChangeNothingBeforeTheFirstStep) {
  LlamaModel model(adapted_);
  model.initialize(3);
  const LlamaModel base = copy_of(model, plain_);
  EXPECT_EQ(packed_loss(model, batch_, table_).item<double>(),
            packed_loss(base, batch_, table_).item<double>());
}

TEST_F(LlamaAdapters, GiveTheSameMergedIntoTheirMatrices) {
  const auto [model, merged] = drawn_and_merged();
  const c10::NoGradGuard no_grad;
  const double apart = packed_loss(model, batch_, table_).item<double>(),
               together = packed_loss(merged, batch_, table_).item<double>(),
               base = packed_loss(copy_of(model, plain_), batch_, table_).item<double>();
  EXPECT_NEAR(apart, together, 1e-5 * apart);
  EXPECT_GT(std::abs(apart - base), 1e-3 * apart) << "the adapters do something";
  DecoderState a = model.start(two_titles()), b = merged.start(two_titles());
  const at::Tensor hidden = model.step(a, integers({0, 0}), integers({0, 0}), integers({0, 1})),
                   same = merged.step(b, integers({0, 0}), integers({0, 0}), integers({0, 1}));
  EXPECT_LT((hidden - same).abs().max().item<double>(), 1e-5);
}

// By the chain rule from the gradient G of the merged matrix: scale * B^T G and scale * G A^T.
TEST_F(LlamaAdapters, HaveTheGradientsOfTheirProduct) {
  auto [model, merged] = drawn_and_merged();
  packed_loss(model, batch_, table_).backward();
  packed_loss(merged, batch_, table_).backward();
  const c10::NoGradGuard no_grad;
  const double scale = adapted_.lora->scale();
  for (const std::string& name : adapted_matrices()) {
    EXPECT_FALSE(model.find(name)->trainable);
    const at::Tensor g = merged.find(name)->value.grad(),
                     a = model.find(checkpoints::lora_a_name(name))->value,
                     b = model.find(checkpoints::lora_b_name(name))->value;
    const at::Tensor of_a = scale * b.t().matmul(g), of_b = scale * g.matmul(a.t());
    EXPECT_LT((a.grad() - of_a).norm().item<double>(), 1e-4 * of_a.norm().item<double>()) << name;
    EXPECT_LT((b.grad() - of_b).norm().item<double>(), 1e-4 * of_b.norm().item<double>()) << name;
  }
  const at::Tensor ids = model.find("id_embedding.weight")->value.grad(),
                   same = merged.find("id_embedding.weight")->value.grad();
  EXPECT_LT((ids - same).norm().item<double>(), 1e-4 * same.norm().item<double>());
}

// The rows of ID tokens start as large as the text rows of a base are, and an untied head predicts
// with logits of a deviation of about 1.
TEST(LlamaIdRows, TakeTheScaleOfALoadedBase) {
  ids::IdTable table = random_id_table(50, 4, 1);
  table.vector_dim = 3;
  table.token_vectors.resize(static_cast<size_t>(table.num_tokens()) * 3);
  for (size_t i = 0; i < table.token_vectors.size(); ++i) {
    table.token_vectors[i] = static_cast<float>(i % 7) - 3;
  }
  LlamaModel model(small_llama(table.num_tokens()));
  model.initialize(1);
  {
    const c10::NoGradGuard no_grad;
    model.find("model.embed_tokens.weight")->value.mul_(7);
    model.find("model.norm.weight")->value.fill_(4);
  }
  start_id_rows_from_codebooks(model, table, 1);
  scale_id_rows_to_base(model);
  const auto rms = [&](const char* name) {
    return model.find(name)->value.detach().square().mean().sqrt().item<double>();
  };
  EXPECT_NEAR(rms("id_embedding.weight") / rms("model.embed_tokens.weight"), 1.0, 0.2);
  EXPECT_NEAR(rms("lm_head.id.weight") * 4 * std::sqrt(24.0), 1.0, 0.2);
}

// Rows that are read and predicted with start about the mean of the text rows, so near that first
// logits differ by a deviation of about 1, whatever text rows are like.
TEST(LlamaIdRows, OfATiedHeadStartAboutTheMeanOfTheTextRows) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  checkpoints::LlamaConfig config = small_llama(table.num_tokens());
  config.tie_word_embeddings = true;
  LlamaModel model(config);
  model.initialize(1);
  const at::Tensor text = model.find("model.embed_tokens.weight")->value;
  {
    const c10::NoGradGuard no_grad;
    text.mul_(7).add_(3);
    model.find("model.norm.weight")->value.fill_(4);
  }
  scale_id_rows_to_base(model);
  const at::Tensor apart =
      model.find("id_embedding.weight")->value.detach() - text.detach().mean(0);
  EXPECT_NEAR(apart.square().mean().sqrt().item<double>() * 4 * std::sqrt(24.0), 1.0, 0.2);
}

}  // namespace
}  // namespace tutti::trainer
