// BERT of transformers, recorded by tests/conformance/make_model_goldens.py; each file tells the
// version. And T5's decoder over it.
#include "trainer/models/bert_encoder.h"

#include <filesystem>
#include <map>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "ids/trie.h"
#include "tests/support/bert_case.h"
#include "tests/trainer/small_world.h"
#include "trainer/loss.h"
#include "trainer/models/make_model.h"
#include "trainer/models/model_part.h"
#include "trainer/models/title_memo.h"
#include "trainer/optimizer.h"

namespace tutti::trainer {
namespace {

class BertParity : public testing::TestWithParam<const char*> {};

TEST_P(BertParity, HoldsForTokenStatesAndEveryGradient) {
  at::set_num_threads(1);
  const auto golden = std::filesystem::path(TUTTI_MODEL_GOLDENS) /
                      (std::string("bert_") + GetParam() + ".safetensors");
  const auto errors = relative_errors_of_bert_case(golden);
  EXPECT_GT(errors.size(), 30U);
  for (const auto& [name, error] : errors) {
    // Attention does not change when all keys move alike: the true gradient is zero.
    if (name.ends_with("key.bias")) continue;
    EXPECT_LE(error, 1e-5) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, BertParity, testing::Values("small", "one_head"),
                         [](const auto& instance) { return instance.param; });

class DecoderOverBert : public testing::Test {
 protected:
  DecoderOverBert() {
    config_.text_rows = 1;
    config_.encoder = {.vocab_size = 50,
                       .hidden_size = 24,
                       .intermediate_size = 40,
                       .num_hidden_layers = 2,
                       .num_attention_heads = 3,
                       .max_position_embeddings = 16};
    for (const OwnedGroup& g : owned_) groups_.push_back({g.title_tokens, g.tracks});
    batch_ = pack(groups_, table_, trie_);
  }

  static at::Tensor copy_of(T5Model& model, const std::string& name) {
    return model.find(name)->value.detach().clone();
  }

  ids::IdTable table_ = random_id_table(60, 4, 1);
  ids::Trie trie_ = ids::build_trie(table_);
  std::vector<OwnedGroup> owned_ = random_groups(6, 60, 10, 2);
  std::vector<TitleGroup> groups_;
  PackedBatch batch_;
  T5Config config_ = small_t5(table_);
};

TEST_F(DecoderOverBert, ComesBackFromItsShape) {
  const T5Model model(config_);
  const auto back = make_model(model.shape());
  EXPECT_EQ(back->shape(), model.shape());
  ASSERT_EQ(back->parameters().size(), model.parameters().size());
  EXPECT_EQ(back->find("decoder.block.1.layer.1.EncDecAttention.k.weight")->shape,
            (std::vector<int64_t>{24, 24}));
  EXPECT_EQ(back->find("encoder.final_layer_norm.weight"), nullptr);
}

TEST_F(DecoderOverBert, HasThePackedLossOfItsPairs) {
  T5Model model(config_);
  model.initialize(3);
  const c10::NoGradGuard no_grad;
  const double packed = packed_loss(model, batch_, table_).item<double>();
  double pairs = 0;
  for (const OwnedGroup& g : owned_) {
    for (const int32_t track : g.tracks) {
      const std::vector<TitleGroup> one = {{g.title_tokens, std::span(&track, 1)}};
      pairs += packed_loss(model, pack(one, table_, trie_), table_).item<double>();
    }
  }
  EXPECT_NEAR(packed, pairs, 1e-5 * pairs);
}

TEST_F(DecoderOverBert, FrozenHasTheLossOfATrainedOneAndLeavesTheEncoderAlone) {
  T5Model whole(config_), frozen(config_, TrainedPart::kDecoder);
  whole.initialize(3);
  frozen.initialize(3);
  const at::Tensor expected = packed_loss(whole, batch_, table_);
  for (int time = 0; time < 2; ++time) {  // read, then remembered
    EXPECT_EQ(packed_loss(frozen, batch_, table_).item<double>(), expected.item<double>());
  }
  AdamW optimizer(frozen, {});
  const at::Tensor encoder = copy_of(frozen, "bert.encoder.layer.0.output.dense.weight"),
                   start = copy_of(frozen, "shared.weight");
  packed_loss(frozen, batch_, table_).backward();
  optimizer.step(1e-2, 1);
  EXPECT_TRUE(encoder.equal(copy_of(frozen, "bert.encoder.layer.0.output.dense.weight")));
  EXPECT_FALSE(start.equal(copy_of(frozen, "shared.weight"))) << "what the decoder starts from";
}

TEST_F(DecoderOverBert, TrainsTheEncoderAtARateOfItsOwn) {
  const auto moved = [&](double rate) {
    T5Model model(config_);
    model.initialize(3);
    for (const ModelPart part : {ModelPart::kEncoder, ModelPart::kTextRows}) {
      EXPECT_EQ(set_part_rate(model.parameters(), part, rate), PartUse::kTrained);
    }
    std::map<std::string, at::Tensor> before, by;
    for (const Parameter& p : model.parameters()) before[p.name] = p.value.detach().clone();
    AdamW optimizer(model, {.weight_decay = 0});
    packed_loss(model, batch_, table_).backward();
    optimizer.step(1e-3, 1);
    for (const Parameter& p : model.parameters())
      by[p.name] = (p.value.detach() - before[p.name]).abs().sum();
    return by;
  };
  const auto full = moved(1), tenth = moved(0.1), none = moved(0);
  for (const auto& [name, distance] : full) {
    const bool is_bert = name.starts_with("bert.");
    const auto whole = distance.item<double>();
    EXPECT_GT(whole, 0) << name;
    EXPECT_NEAR(tenth.at(name).item<double>(), whole * (is_bert ? 0.1 : 1.0), 1e-3 * whole) << name;
    EXPECT_EQ(none.at(name).item<double>() == 0, is_bert) << name;
  }
}

TEST(TitleMemo, ReadsATitleOnceAndForgetsNoneThatFits) {
  int64_t num_read = 0;
  const TitleMemo::Encode encode = [&](const TitleInputs& titles) {
    num_read += titles.lengths.size(0);
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < titles.lengths.size(0); ++b) {
      rows.push_back(titles.tokens[b].narrow(0, 0, titles.lengths[b].item<int64_t>()));
    }
    return at::cat(rows).to(at::kFloat).unsqueeze(1);
  };
  const auto titles = [](const std::vector<std::vector<int64_t>>& given) {
    TitleInputs inputs = {.tokens = at::zeros({std::ssize(given), 3}, at::kLong),
                          .lengths = at::empty({std::ssize(given)}, at::kLong)};
    for (int64_t b = 0; b < std::ssize(given); ++b) {
      inputs.lengths[b] = std::ssize(given[b]);
      for (int64_t t = 0; t < std::ssize(given[b]); ++t) inputs.tokens[b][t] = given[b][t];
    }
    return inputs;
  };
  const TitleInputs first = titles({{1, 2}, {3}, {1, 2}}),
                    second = titles({{3}, {7, 8, 9}, {1, 2}});
  const at::Tensor of_first = encode(first), of_second = encode(second);

  num_read = 0;
  TitleMemo memo(encode, /*max_values=*/5);
  EXPECT_TRUE(memo.states(first).equal(of_first));
  EXPECT_TRUE(memo.states(second).equal(of_second));
  EXPECT_EQ(num_read, 4) << "three, and then the new one";
  EXPECT_TRUE(memo.states(second).equal(of_second));
  EXPECT_EQ(num_read, 5) << "there was no room for the title of three tokens";
  memo.clear();
  EXPECT_TRUE(memo.states(second).equal(of_second));
  EXPECT_EQ(num_read, 8);
}

}  // namespace
}  // namespace tutti::trainer
