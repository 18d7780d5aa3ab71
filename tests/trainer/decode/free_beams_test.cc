#include "trainer/decode/free_beams.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

using Sequence = std::vector<int32_t>;

// Log-probabilities are a pure function of title, sequence so far and the level asked for.
std::vector<float> scores_after(int32_t title, const Sequence& sequence,
                                const ids::IdLevel& level) {
  uint64_t state = title;
  for (const int32_t token : sequence) state = state * 100 + token + 1;
  Rng rng(state, Purpose::kTest, level.first_token);
  std::vector<float> scores(level.num_tokens);
  double sum = 0;
  for (float& score : scores) {
    score = static_cast<float>(rng.normal());
    sum += std::exp(score);
  }
  for (float& score : scores) score -= static_cast<float>(std::log(sum));
  return scores;
}

class FakeScorer : public IdScorer {
 public:
  std::span<const float> step(std::span<const Row> rows, const ids::IdLevel& level,
                              Softmax over) override {
    softmax = over;
    std::vector<Sequence> sequences;
    scores_.clear();
    for (const Row& row : rows) {
      Sequence sequence = row.token < 0 ? Sequence() : sequences_.at(row.parent);
      if (row.token >= 0) sequence.push_back(row.token);
      const auto scores = scores_after(row.title, sequence, level);
      scores_.insert(scores_.end(), scores.begin(), scores.end());
      sequences.push_back(std::move(sequence));
    }
    sequences_ = std::move(sequences);
    return scores_;
  }
  Softmax softmax = Softmax::kTrie;

 private:
  std::vector<Sequence> sequences_;
  std::vector<float> scores_;
};

ids::IdTable table_of(const std::vector<ids::IdLevel>& levels, const std::vector<Sequence>& ids) {
  ids::IdTable table;
  table.levels = levels;
  for (const Sequence& id : ids) {
    table.tokens.insert(table.tokens.end(), id.begin(), id.end());
    table.offsets.push_back(std::ssize(table.tokens));
  }
  return table;
}

// Two letters and the end; at most three tokens an ID.
ids::IdTable text_table() {
  return table_of({{0, 3}, {0, 3}, {0, 3}}, {{0, 2}, {1, 0, 2}, {1, 1, 2}});
}
ids::IdTable code_table() {
  return table_of({{0, 2}, {2, 3}, {5, 2}}, {{0, 2, 5}, {0, 2, 6}, {1, 4, 5}});
}

// Every sequence that can be written, with its score.
void enumerate(const ids::IdTable& table, bool over_all, int32_t title, const Sequence& sequence,
               float score, std::map<Sequence, float>* all) {
  const bool ended = !sequence.empty() && table.is_text() && sequence.back() == table.end_token();
  if (ended || std::ssize(sequence) == table.id_length()) {
    (*all)[sequence] = score;
    return;
  }
  const ids::IdLevel level =
      over_all ? ids::IdLevel{0, table.num_tokens()} : table.levels[sequence.size()];
  const auto scores = scores_after(title, sequence, level);
  for (int32_t t = 0; t < level.num_tokens; ++t) {
    Sequence next = sequence;
    next.push_back(level.first_token + t);
    enumerate(table, over_all, title, next, score + scores[t], all);
  }
}

TEST(FreeBeams, FindTheBestOfAllSequencesWhenTheyKeepThemAll) {
  for (const auto& [table, softmax] :
       {std::pair(text_table(), Softmax::kIds), std::pair(code_table(), Softmax::kLevel),
        std::pair(code_table(), Softmax::kTrie), std::pair(code_table(), Softmax::kIds)}) {
    FakeScorer scorer;
    const auto found =
        free_beam_search(scorer, table, 2, {.beam = 400, .k = 9, .softmax = softmax});
    const bool over_all = softmax == Softmax::kIds;
    EXPECT_EQ(scorer.softmax, over_all ? Softmax::kIds : Softmax::kLevel);
    ASSERT_EQ(found.size(), 2U);
    for (int32_t title = 0; title < 2; ++title) {
      std::map<Sequence, float> all;
      enumerate(table, over_all, title, {}, 0, &all);
      std::vector<float> scores;
      scores.reserve(all.size());
      for (const auto& [sequence, score] : all) scores.push_back(score);
      std::ranges::sort(scores, std::greater<>());
      ASSERT_EQ(found[title].size(), 9U);
      for (size_t i = 0; i < 9; ++i) {
        EXPECT_NEAR(found[title][i].score, all.at(found[title][i].tokens), 1e-5);
        EXPECT_NEAR(found[title][i].score, scores[i], 1e-5);
      }
    }
  }
}

TEST(FreeBeams, OfOneAreTheLikeliestTokenEachTime) {
  FakeScorer scorer;
  const auto table = code_table();
  const auto found =
      free_beam_search(scorer, table, 1, {.beam = 1, .k = 1, .softmax = Softmax::kLevel});
  Sequence greedy;
  for (const ids::IdLevel& level : table.levels) {
    const auto scores = scores_after(0, greedy, level);
    greedy.push_back(level.first_token +
                     static_cast<int32_t>(std::ranges::max_element(scores) - scores.begin()));
  }
  EXPECT_EQ(found[0][0].tokens, greedy);
}

TEST(FreeBeams, CutTextThatDoesNotEnd) {
  FakeScorer scorer;
  const auto found =
      free_beam_search(scorer, text_table(), 1, {.beam = 30, .k = 30, .softmax = Softmax::kIds});
  const auto cut = [](const FreeId& id) { return id.tokens.back() != 2; };
  EXPECT_TRUE(std::ranges::any_of(found[0], cut));
  for (const FreeId& id : found[0]) EXPECT_LE(id.tokens.size(), 3U);
}

TEST(FreeBeams, AreValidWhereATrackHasThatId) {
  const ids::Trie trie = ids::build_trie(text_table());
  const auto valid = [&](const Sequence& tokens) { return is_valid(tokens, trie); };
  EXPECT_TRUE(valid({0, 2}));
  EXPECT_TRUE(valid({1, 0, 2}));
  EXPECT_FALSE(valid({1, 2}));
  EXPECT_FALSE(valid({1, 0}));
  EXPECT_FALSE(valid({0, 2, 2}));
  EXPECT_FALSE(valid({}));
}

TEST(FreeBeams, RefuseAScoreThatIsNoNumber) {
  class NotANumber : public IdScorer {
    std::span<const float> step(std::span<const Row>, const ids::IdLevel& level, Softmax) override {
      scores_.assign(level.num_tokens, std::numeric_limits<float>::quiet_NaN());
      return scores_;
    }
    std::vector<float> scores_;
  } scorer;
  EXPECT_THROW(free_beam_search(scorer, code_table(), 1, {.beam = 2, .k = 1}), NotFiniteError);
}

TEST(CountingScorer, CountsThePositionsOfEachTitle) {
  FakeScorer inner;
  CountingScorer scorer(inner, 3);
  const ids::IdLevel level = {0, 3};
  const std::vector<IdScorer::Row> first = {{.title = 0}, {.title = 2}};
  const std::vector<IdScorer::Row> second = {{.title = 0, .parent = 0, .token = 1},
                                             {.title = 0, .parent = 0, .token = 0}};
  EXPECT_EQ(scorer.step(first, level, Softmax::kIds).size(), 6U);
  scorer.step(second, level, Softmax::kIds);
  EXPECT_THAT(scorer.steps(), testing::ElementsAre(2, 0, 1));
}

}  // namespace
}  // namespace tutti::trainer
