#include "trainer/evaluate/trie_nats.h"

#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "tests/support/thread_communicator.h"
#include "tests/trainer/small_world.h"
#include "trainer/decode/generative_ranker.h"

namespace tutti::trainer {
namespace {

class TrieNatsTest : public testing::Test {
 protected:
  TrieNatsTest() {
    at::set_num_threads(1);
    T5Config config = small_t5(table_);
    config.text_rows = tokenizer_.num_pieces();
    model_.emplace(config);
    model_->initialize(3);
    queries_.titles = {"rainy evening piano", "rock", "sad songs"};
    for (int64_t i = 0; i < 40; ++i) {
      Rng rng(5, Purpose::kTest, i);
      queries_.title_of.push_back(static_cast<int32_t>(i % 3));
      for (uint64_t t = 1 + rng.below(9); t > 0; --t) {
        queries_.relevant.push_back(static_cast<int32_t>(rng.below(60)));
      }
      queries_.offsets.push_back(std::ssize(queries_.relevant));
    }
  }
  TrieNats nats(Communicator& comm, int64_t max_queries = 0) const {
    return trie_nats(*model_, tokenizer_, table_, trie_, queries_, max_queries, comm);
  }

  ids::IdTable table_ = random_id_table(60, 4, 1);
  ids::Trie trie_ = ids::build_trie(table_);
  data::Tokenizer tokenizer_ = data::Tokenizer::from_bytes(
      data::train_sentencepiece({"rainy evening piano", "rock", "sad songs"}, {3, 3, 3},
                                {.num_pieces = 320}),
      "test");
  std::optional<T5Model> model_;
  QuerySet queries_;
};

// The decoder's scores of all tracks under the trie softmax are the log-probabilities.
TEST_F(TrieNatsTest, AreTheMeanLossOfTheTracksUnderTheTrieSoftmax) {
  GenerativeRanker ranker(*model_, tokenizer_, table_, trie_,
                          {.beam = 60, .softmax = Softmax::kTrie});
  const auto lists = ranker.rank(queries_.titles, 60);
  std::vector<std::vector<double>> score(3, std::vector<double>(60));
  for (size_t title = 0; title < 3; ++title) {
    for (const Recommendation& r : lists[title]) score[title][r.track] = r.score;
  }
  double sum = 0;
  for (int64_t i = 0; i < queries_.size(); ++i) {
    for (const int32_t track : queries_.relevant_of(i)) sum -= score[queries_.title_of[i]][track];
  }
  const auto comm = make_single_communicator();
  const TrieNats found = nats(*comm);
  EXPECT_EQ(found.num_tracks, std::ssize(queries_.relevant));
  EXPECT_NEAR(found.mean, sum / static_cast<double>(found.num_tracks), 1e-4);
  EXPECT_EQ(nats(*comm, 7).num_tracks, queries_.offsets[7]);
}

TEST_F(TrieNatsTest, OfAModelThatKnowsNothingSayHowManyTracksThereAre) {
  // Codes of one level and a suffix of one: every track alone on its code, equally likely.
  table_ = {};
  table_.levels = {{0, 60}, {60, 1}};
  for (int32_t t = 0; t < 60; ++t) {
    for (const int32_t token : {t, 60}) table_.tokens.push_back(token);
    table_.offsets.push_back(std::ssize(table_.tokens));
  }
  trie_ = ids::build_trie(table_);
  T5Config config = small_t5(table_);
  config.text_rows = tokenizer_.num_pieces();
  model_.emplace(config);
  model_->initialize(3);
  {
    const c10::NoGradGuard no_grad;
    model_->find("lm_head.id.weight")->value.zero_();
  }
  const auto comm = make_single_communicator();
  EXPECT_NEAR(nats(*comm).mean, std::log(60.0), 1e-5);
}

TEST_F(TrieNatsTest, AreTheSameBytesAtAnyWorldSize) {
  const auto single = make_single_communicator();
  const double one = nats(*single).mean;
  run_ranks(3, [&](Communicator& comm) { EXPECT_EQ(nats(comm).mean, one); });
}

}  // namespace
}  // namespace tutti::trainer
