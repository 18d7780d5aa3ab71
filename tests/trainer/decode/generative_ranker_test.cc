#include "trainer/decode/generative_ranker.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
#include "trainer/loss.h"
#include "trainer/models/t5.h"
#include "trainer/packing.h"

namespace tutti::trainer {
namespace {

const std::vector<std::string> kTitles = {"rainy evening piano", "rock", "Summer hits of 1999",
                                          "chill acoustic vibes for a long drive home", "sad"};

// A small model with random weights, and all that it takes to ask it.
class GenerativeRankerTest : public testing::Test {
 protected:
  static constexpr int kTracks = 40, kCodes = 5;

  GenerativeRankerTest()
      : tokenizer_(data::Tokenizer::from_bytes(
            data::train_sentencepiece(kTitles, std::vector<int64_t>(kTitles.size(), 3),
                                      {.num_pieces = 320}),
            "test")),
        table_(random_table()),
        trie_(ids::build_trie(table_)),
        model_({.text_rows = tokenizer_.num_pieces(),
                .id_tokens = table_.num_tokens(),
                .d_model = 24,
                .d_kv = 8,
                .num_heads = 2,
                .d_ff = 32,
                .text_head = true}) {
    at::set_num_threads(1);  // tensors this small only wait for one another
    model_.initialize(3);
    // Heads as wide as the other matrices, so that tracks differ clearly.
    const c10::NoGradGuard no_grad;
    model_.find("lm_head.id.weight")->value.mul_(3);
  }

  static ids::IdTable random_table() {
    ids::IdTable table;
    Rng rng(11, Purpose::kTest);
    std::vector<int> used(kCodes * kCodes, 0);
    int num_suffixes = 1;
    for (int t = 0; t < kTracks; ++t) {
      const int code = static_cast<int>(rng.below(kCodes * kCodes));
      const int suffix = used[code]++;
      num_suffixes = std::max(num_suffixes, suffix + 1);
      for (int token : {code / kCodes, kCodes + code % kCodes, 2 * kCodes + suffix}) {
        table.tokens.push_back(token);
      }
      table.offsets.push_back(std::ssize(table.tokens));
    }
    table.levels = {{0, kCodes}, {kCodes, kCodes}, {2 * kCodes, num_suffixes}};
    return table;
  }

  GenerativeRanker ranker(const GenerativeOptions& options) const {
    return {model_, tokenizer_, table_, trie_, options};
  }

  data::Tokenizer tokenizer_;
  ids::IdTable table_;
  ids::Trie trie_;
  T5Model model_;
};

class GenerativeRankerOf : public GenerativeRankerTest,
                           public testing::WithParamInterface<Softmax> {};

// Training and decoding go through different code: a packed tree here, steps with a cache there.
TEST_P(GenerativeRankerOf, ScoresEveryTrackWithMinusItsTrainingLoss) {
  const Softmax softmax = GetParam();
  const auto lists = ranker({.beam = kTracks, .softmax = softmax}).rank(kTitles, kTracks);
  for (size_t i = 0; i < kTitles.size(); ++i) {
    ASSERT_EQ(lists[i].size(), static_cast<size_t>(kTracks));
    const std::vector<int32_t> title = tokenizer_.encode(kTitles[i]);
    for (const auto& r : lists[i]) {
      const std::vector<int32_t> track = {r.track};
      const std::vector<TitleGroup> groups = {{title, track}};
      const PackedBatch batch = pack(groups, table_, trie_, {.softmax = softmax});
      const c10::NoGradGuard no_grad;
      EXPECT_NEAR(r.score, -packed_loss(model_, batch, table_).item().toDouble(), 1e-4);
    }
    EXPECT_TRUE(std::is_sorted(lists[i].begin(), lists[i].end(),
                               [](const auto& a, const auto& b) { return a.score > b.score; }));
  }
}

INSTANTIATE_TEST_SUITE_P(Softmaxes, GenerativeRankerOf,
                         testing::Values(Softmax::kLevel, Softmax::kTrie, Softmax::kIds,
                                         Softmax::kFull),
                         [](const auto& instance) { return checkpoints::name_of(instance.param); });

TEST_F(GenerativeRankerTest, GivesTheSameListsAtAnyBatchSize) {
  const auto together = ranker({.beam = 8, .titles_at_once = 5}).rank(kTitles, 6);
  for (int titles_at_once : {1, 2, 3}) {
    const auto lists = ranker({.beam = 8, .titles_at_once = titles_at_once}).rank(kTitles, 6);
    for (size_t i = 0; i < kTitles.size(); ++i) {
      ASSERT_EQ(lists[i].size(), together[i].size());
      for (size_t place = 0; place < lists[i].size(); ++place) {
        EXPECT_EQ(lists[i][place].track, together[i][place].track);
        EXPECT_NEAR(lists[i][place].score, together[i][place].score, 1e-4);
      }
    }
  }
}

TEST_F(GenerativeRankerTest, FillsTheListsOfDiverseBeamsWithThoseOfPlainOnes) {
  const auto lists = ranker({.beam = 8, .groups = 4, .diversity = 0.5}).rank(kTitles, kTracks);
  for (const auto& list : lists) {
    std::set<int32_t> tracks;
    for (const auto& r : list) tracks.insert(r.track);
    EXPECT_EQ(tracks.size(), static_cast<size_t>(kTracks));
    EXPECT_TRUE(std::is_sorted(list.begin(), list.end(),
                               [](const auto& a, const auto& b) { return a.score > b.score; }));
  }
}

TEST_F(GenerativeRankerTest, AnswersDifferentTitlesDifferently) {
  const auto lists = ranker({}).rank(kTitles, 10);
  int num_different = 0;
  for (size_t i = 1; i < lists.size(); ++i) {
    num_different += lists[i][0].score != lists[0][0].score ? 1 : 0;
  }
  EXPECT_EQ(num_different, 4);
}

}  // namespace
}  // namespace tutti::trainer
