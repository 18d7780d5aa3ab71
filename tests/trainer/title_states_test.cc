#include "trainer/title_states.h"

#include <fstream>
#include <map>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"
#include "trainer/models/t5.h"
#include "trainer/models/title_memo.h"
#include "trainer/title_state_cache.h"

namespace tutti::trainer {
namespace {

using Tokens = std::vector<int32_t>;

std::vector<Tokens> random_titles(int count) {
  Rng rng(5, Purpose::kTest);
  std::vector<Tokens> titles;
  for (int i = 0; i < count; ++i) {
    Tokens& title = titles.emplace_back(1 + rng.below(7));
    for (int32_t& token : title) token = static_cast<int32_t>(rng.below(50));
  }
  return titles;
}

constexpr const char *kBert = "bert", *kT5 = "t5";

// A decoder over a frozen BERT, or over T5's own frozen encoder.
T5Model frozen(const std::string& encoder, uint64_t seed, TrainedPart part = TrainedPart::kDecoder,
               int64_t id_tokens = 9) {
  T5Config config;
  config.id_tokens = id_tokens;
  config.d_model = 8;
  config.d_kv = 4;
  config.num_heads = 3;
  config.d_ff = 12;
  config.num_layers = 2;
  config.text_rows = encoder == kBert ? 1 : 50;
  if (encoder == kBert)
    config.encoder = {.vocab_size = 50,
                      .hidden_size = 24,
                      .intermediate_size = 40,
                      .num_hidden_layers = 2,
                      .num_attention_heads = 3,
                      .max_position_embeddings = 16};
  T5Model model(config, part);
  model.initialize(seed);
  return model;
}

// The states that the memo gives each title, which it must not have to read.
std::vector<at::Tensor> known_states(IdModel& model, const TitleList& titles) {
  std::vector<at::Tensor> states;
  for (int64_t i = 0; i < titles.size(); ++i) {
    states.push_back(model.title_memo()->states(titles.inputs(i, i + 1)).clone());
  }
  return states;
}

bool are_equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return at::cat(a).equal(at::cat(b));
}

TEST(TitleList, HoldsEachTitleOnceShorterOnesFirst) {
  const TitleList titles({{3, 1}, {7}, {3, 1}, {2, 9}, {1, 1, 1}, {2}});
  ASSERT_EQ(titles.size(), 5);
  EXPECT_TRUE(std::ranges::equal(titles[0], Tokens{2}));
  EXPECT_TRUE(std::ranges::equal(titles[2], Tokens{2, 9}));
  EXPECT_EQ(titles.find(Tokens{3, 1}), 3);
  const TitleInputs inputs = titles.inputs(1, 4);
  EXPECT_EQ(inputs.tokens.sizes(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(inputs.lengths[0].item<int64_t>(), 1);
  EXPECT_EQ(inputs.tokens[2][0].item<int64_t>(), 3);
}

TEST(SentenceVectors, AreMeansOfTokenStatesOfLengthOneInTheOrderOfTheTexts) {
  at::set_num_threads(1);
  T5Model model = frozen(kBert, 3);
  std::vector<Tokens> texts = random_titles(150);
  texts.push_back(texts.front());
  int64_t num_read = 0;
  const ReadTitles read = [&](const TitleInputs& titles) {
    num_read += titles.lengths.size(0);
    return model.title_memo()->read(titles);
  };
  const at::Tensor vectors = sentence_vectors(texts, read);
  EXPECT_LT(num_read, 151) << "equal texts are read once";
  ASSERT_EQ(vectors.sizes(), (std::vector<int64_t>{151, 24}));
  for (const int64_t i : {0, 17, 149, 150}) {
    const at::Tensor mean =
        model.title_memo()->read(TitleList({texts[i]}).inputs(0, 1)).to(at::kDouble).mean(0);
    const at::Tensor expected = mean / mean.norm();
    EXPECT_LE((vectors[i] - expected).abs().max().item<double>(), 1e-5) << i;
  }
}

class TitleStates : public testing::TestWithParam<const char*> {
 protected:
  TitleStates() { at::set_num_threads(1); }
  TitleStatesReport know(IdModel& model) {
    const auto alone = make_single_communicator();
    return know_titles(model, titles_, folder_.path(), *alone);
  }
  T5Model frozen_model(uint64_t seed) const { return frozen(GetParam(), seed); }
  TempFolder folder_;
  TitleList titles_{random_titles(300)};
};

TEST_P(TitleStates, AreThoseThatTheEncoderGives) {
  T5Model model = frozen_model(3), other = frozen_model(3);
  EXPECT_FALSE(know(model).was_there);
  const std::vector<at::Tensor> known = known_states(model, titles_);
  for (int64_t i = 0; i < titles_.size(); ++i) {
    const at::Tensor read = other.title_memo()->read(titles_.inputs(i, i + 1));
    EXPECT_LE((known[i] - read).norm().item<double>(), 1e-5 * read.norm().item<double>());
  }
}

TEST_P(TitleStates, AreTakenFromTheDiskTheSecondTime) {
  T5Model first = frozen_model(3), second = frozen_model(3);
  const TitleStatesReport made = know(first), found = know(second);
  EXPECT_TRUE(found.was_there);
  EXPECT_EQ(found.path, made.path);
  EXPECT_EQ(found.num_titles, titles_.size());
  EXPECT_TRUE(are_equal(known_states(first, titles_), known_states(second, titles_)));
}

TEST_P(TitleStates, AreTheSameBytesForAnyNumberOfRanks) {
  T5Model alone = frozen_model(3);
  know(alone);
  const std::vector<at::Tensor> expected = known_states(alone, titles_);
  for (const int ranks : {2, 3}) {
    const TempFolder shared;
    std::vector<std::vector<at::Tensor>> known(ranks);
    run_ranks(ranks, [&](Communicator& comm) {
      at::set_num_threads(1);
      T5Model model = frozen_model(3);
      know_titles(model, titles_, shared.path(), comm);
      known[comm.rank()] = known_states(model, titles_);
    });
    for (const auto& states : known) EXPECT_TRUE(are_equal(states, expected)) << ranks;
  }
}

TEST_P(TitleStates, OfAnotherEncoderPrecisionOrListHaveAKeyOfTheirOwn) {
  const T5Model model = frozen_model(3), other = frozen_model(4);
  T5Model rounded = frozen_model(3);
  rounded.set_compute({.precision = Precision::kBf16});
  const std::string key = title_states_key(model, titles_);
  EXPECT_EQ(title_states_key(frozen_model(3), titles_), key);
  EXPECT_NE(title_states_key(other, titles_), key);
  EXPECT_NE(title_states_key(rounded, titles_), key);
  EXPECT_NE(title_states_key(model, TitleList(random_titles(299))), key);
}

TEST_P(TitleStates, AreReadAgainWhenTheyAreDamagedOrNotWhole) {
  T5Model model = frozen_model(3);
  const TitleStatesReport made = know(model);
  const std::vector<at::Tensor> expected = known_states(model, titles_);
  const auto file = made.path / "states.safetensors";
  const auto expect_read_again = [&] {
    T5Model fresh = frozen_model(3);
    EXPECT_FALSE(know(fresh).was_there);
    EXPECT_TRUE(are_equal(known_states(fresh, titles_), expected));
  };
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(20'000).put('x');
  expect_read_again();
  std::filesystem::resize_file(file, 1000);
  expect_read_again();
  std::ofstream(made.path / "manifest.json") << "{";
  expect_read_again();
}

INSTANTIATE_TEST_SUITE_P(Encoders, TitleStates, testing::Values(kBert, kT5),
                         [](const auto& instance) { return instance.param; });

// What stands above the encoder has no part in them: other IDs, or frozen decoder layers too.
TEST(TitleStatesOfT5, HaveTheKeyOfTheEncoderAlone) {
  const TitleList titles(random_titles(10));
  const std::string key = title_states_key(frozen(kT5, 3), titles);
  EXPECT_EQ(title_states_key(frozen(kT5, 3, TrainedPart::kIdRows), titles), key);
  EXPECT_EQ(title_states_key(frozen(kT5, 3, TrainedPart::kDecoder, 20), titles), key);
  T5Model other = frozen(kT5, 3);
  other.find("encoder.block.1.layer.0.SelfAttention.q.weight")->value.add_(1);
  EXPECT_NE(title_states_key(other, titles), key);
}

// A run that reads titles anew computes what one with kept states does, in bf16 too; dropout acts
// on the output of the encoder.
TEST(TitleStatesOfT5, GiveTheHiddenStatesOfAnEncoderThatReads) {
  at::set_num_threads(1);
  const auto alone = make_single_communicator();
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    const TempFolder folder;
    T5Model knows = frozen(kT5, 3), reads = frozen(kT5, 3),
            whole = frozen(kT5, 3, TrainedPart::kAll);
    for (T5Model* model : {&knows, &reads, &whole}) model->set_compute({.precision = precision});
    const TitleList titles({{4, 7, 1}, {9, 1}});
    know_titles(knows, titles, folder.path(), *alone);
    const TitleInputs inputs = titles.inputs(0, 2);
    const c10::NoGradGuard no_grad;
    const StepDropout step = {.dropout = Dropout(0.3, 1, 1), .title_keys = {11, 12}};
    for (const StepDropout& drawn : {StepDropout(), step}) {
      const at::Tensor known = knows.encode(inputs.tokens, inputs.lengths, drawn);
      EXPECT_EQ(known.scalar_type(), precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat);
      EXPECT_TRUE(known.equal(reads.encode(inputs.tokens, inputs.lengths, drawn)));
    }
    const at::Tensor states = whole.encode(inputs.tokens, inputs.lengths);
    EXPECT_TRUE(states.equal(knows.encode(inputs.tokens, inputs.lengths)));
    const at::Tensor dropped = knows.encode(inputs.tokens, inputs.lengths, step);
    EXPECT_TRUE(at::where(dropped == 0, states, dropped * 0.7F).allclose(states, 1e-2, 1e-3))
        << "what is left is the state, scaled";
  }
}

}  // namespace
}  // namespace tutti::trainer
