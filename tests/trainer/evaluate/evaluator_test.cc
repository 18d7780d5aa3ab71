#include "trainer/evaluate/evaluator.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/rng.h"
#include "tests/trainer/tiny_playlists.h"
#include "trainer/baselines/popularity.h"
#include "trainer/evaluate/report.h"

namespace tutti::trainer {
namespace {

using data::Part;
using testing::ElementsAre;
using testing::HasSubstr;

TinyPlaylists corpus() {
  TinyPlaylists playlists;
  playlists.add("Rainy Day", {0, 1, 2});
  playlists.add("rock", {1, 3});
  playlists.add("rainy day!", {2, 1}, Part::kTest);  // seen: equal after normalisation
  playlists.add("jazz night", {5, 4}, Part::kTest);  // unseen
  playlists.add("rock", {3, 0}, Part::kValidation);
  playlists.add("rainy day!", {0}, Part::kTest);
  playlists.add("no tracks", {}, Part::kTest);
  return playlists;
}

TEST(QuerySet, SeparatesSeenFromUnseenTitlesByTheirNormalisedForm) {
  const auto playlists = corpus();
  const auto queries = make_playlist_queries(playlists.titles, playlists.source(), {});
  EXPECT_THAT(queries.seen.titles, ElementsAre("rainy day!"));
  EXPECT_THAT(queries.seen.title_of, ElementsAre(0, 0));
  EXPECT_THAT(queries.seen.relevant_of(0), ElementsAre(1, 2)) << "ascending";
  EXPECT_THAT(queries.seen.relevant_of(1), ElementsAre(0));
  EXPECT_THAT(queries.unseen.titles, ElementsAre("jazz night"));
  EXPECT_THAT(queries.unseen.relevant_of(0), ElementsAre(4, 5));
  EXPECT_EQ(queries.unseen.size(), 1) << "a playlist without tracks is no query";

  const auto validation =
      make_playlist_queries(playlists.titles, playlists.source(), {.part = Part::kValidation});
  EXPECT_EQ(validation.seen.size(), 1);
  EXPECT_EQ(validation.unseen.size(), 0);
}

TEST(QuerySet, DrawsTheSameSampleForASeedAndAnotherOneForAnother) {
  TinyPlaylists playlists;
  for (int i = 0; i < 200; ++i) playlists.add("title " + std::to_string(i), {i}, Part::kTest);
  const auto draw = [&playlists](uint64_t seed) {
    const QueryOptions options = {.max_queries = 20, .seed = seed};
    return make_playlist_queries(playlists.titles, playlists.source(), options).unseen;
  };
  const auto first = draw(1);
  EXPECT_EQ(first.size(), 20);
  EXPECT_EQ(first.num_candidates, 200);
  EXPECT_TRUE(std::is_sorted(first.relevant.begin(), first.relevant.end())) << "dataset order";
  EXPECT_EQ(first.relevant, draw(1).relevant);
  EXPECT_NE(first.relevant, draw(2).relevant);

  const QueryOptions no_cap = {.max_queries = 0};
  EXPECT_EQ(make_playlist_queries(playlists.titles, playlists.source(), no_cap).unseen.size(), 200);
}

TEST(QuerySet, HoldsEditorialPromptsAndTheTracksThatCarryTheirTags) {
  data::Catalog catalog;
  for (const char* tag : {"genre:rock", "mood/theme:sad"}) catalog.tag_names.push_back(tag);
  for (int32_t t = 0; t < 40; ++t) {
    catalog.track_keys.push_back("t" + std::to_string(t));
    for (int32_t tag = 0; tag < 2; ++tag) {
      if (tag == 0 || t % 3 == 0) catalog.tags.push_back(tag);
    }
    catalog.tag_offsets.push_back(std::ssize(catalog.tags));
  }
  const auto set = make_editorial_query_set(catalog, {});
  ASSERT_EQ(set.size(), 1) << "one pair of tags";
  EXPECT_EQ(set.relevant_of(0).size(), 14U) << "every third of 40 tracks";
  EXPECT_TRUE(make_editorial_query_set(data::Catalog{}, {}).titles.empty());
}

EvaluationOptions at(int k) {
  return {.metrics = MetricSet({k}), .depth = k};
}

TEST(Evaluate, ScoresEveryQueryAgainstTheListOfItsTitle) {
  const auto playlists = corpus();
  const auto queries = make_playlist_queries(playlists.titles, playlists.source(), {});
  PopularityRanker popularity(playlists.train_counts);  // 1 0 2 3 4 5
  const auto comm = make_single_communicator();
  const auto result = evaluate(popularity, queries.seen, at(2), *comm);
  EXPECT_EQ(result.ranker, "popularity");
  EXPECT_EQ(result.num_queries, 2);
  EXPECT_EQ(result.num_titles, 1);
  EXPECT_DOUBLE_EQ(result.mean("hits@2"), 1);  // track 1 for the first, track 0 for the second
  EXPECT_DOUBLE_EQ(result.mean("recall@2"), 0.75);
  EXPECT_DOUBLE_EQ(result.mean("mrr@2"), 0.75);
  EXPECT_EQ(evaluate(popularity, queries.unseen, at(2), *comm).mean("hits@2"), 0);
}

// Counts titles and gives each a list of its own.
class CountingRanker : public Ranker {
 public:
  std::string name() const override { return "counting"; }
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override {
    std::vector<std::vector<Recommendation>> lists;
    for (const auto& title : titles) {
      ++num_titles;
      std::vector<Recommendation> list(k);
      for (int i = 0; i < k; ++i) {
        list[i].track = static_cast<int32_t>((title.size() * 7 + title.back() + i * 3) % 100);
      }
      lists.push_back(list);
    }
    return lists;
  }
  int64_t num_titles = 0;
};

// One rank of several, played after one another: sums what the ranks would have added.
class RecordingCommunicator : public Communicator {
 public:
  RecordingCommunicator(int rank, int size, std::vector<double>* sum)
      : rank_(rank), size_(size), sum_(sum) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void all_reduce(void* data, int64_t count, DType type, ReduceOp op) override {
    if (type != DType::kFloat64 || op != ReduceOp::kSum) return;
    auto* values = static_cast<double*>(data);
    sum_->resize(count, 0);
    for (int64_t i = 0; i < count; ++i) (*sum_)[i] += values[i];
    std::copy(sum_->begin(), sum_->end(), values);
  }
  void broadcast(void* /*data*/, int64_t /*num_bytes*/, int /*root*/) override {}
  void all_gather_bytes(const void* /*mine*/, void* /*all*/,
                        std::span<const int64_t> /*counts*/) override {}
  void barrier() override {}
  [[noreturn]] void abort(int /*exit_code*/) override { std::terminate(); }

 private:
  int rank_, size_;
  std::vector<double>* sum_;
};

TEST(Evaluate, GivesTheSameMetricsAtAnyWorldSizeAndRanksEachTitleOnce) {
  TinyPlaylists playlists;
  Rng rng(2, Purpose::kTest);
  for (int i = 0; i < 300; ++i) {
    std::vector<int32_t> tracks;
    for (int32_t t = 0; t < 100; ++t) {
      if (rng.below(10) == 0) tracks.push_back(t);
    }
    playlists.add(std::string(1 + rng.below(9), 'x') + std::to_string(rng.below(120)), tracks,
                  Part::kTest);
  }
  const auto queries = make_playlist_queries(playlists.titles, playlists.source(), {}).unseen;
  const EvaluationOptions options = {.metrics = MetricSet({1, 10}), .titles_at_once = 4};
  const auto single = make_single_communicator();
  CountingRanker alone;
  const auto expected = evaluate(alone, queries, options, *single);
  EXPECT_EQ(alone.num_titles, std::ssize(queries.titles));
  EXPECT_GT(expected.mean("hits@10"), 0);

  for (int world_size : {2, 3, 7}) {
    std::vector<double> sum;
    CountingRanker ranker;
    Evaluation last;
    for (int rank = 0; rank < world_size; ++rank) {
      RecordingCommunicator comm(rank, world_size, &sum);
      last = evaluate(ranker, queries, options, comm);
    }
    EXPECT_EQ(ranker.num_titles, std::ssize(queries.titles)) << "each title by one rank";
    EXPECT_EQ(last.scores, expected.scores);
  }
}

TEST(Evaluate, ScoresTheListsOfAnotherSystemByQuery) {
  const auto playlists = corpus();
  const auto queries = make_playlist_queries(playlists.titles, playlists.source(), {}).seen;
  const std::vector<std::vector<Recommendation>> lists = {{{3, 2}, {1, 1}}, {{0, 1}}};
  const auto result = evaluate_lists("theirs", lists, queries, at(2));
  EXPECT_EQ(result.ranker, "theirs");
  EXPECT_THAT(result.values_of("hits@2"), ElementsAre(1, 1));
  EXPECT_THAT(result.values_of("mrr@2"), ElementsAre(0.5, 1));
  EXPECT_THAT(evaluate_lists("theirs", lists, queries, at(1)).values_of("hits@1"),
              ElementsAre(0, 1))
      << "lists are cut at the depth";
}

TEST(Evaluate, KeepsTheListsOfAllTitlesWhenAsked) {
  const auto playlists = corpus();
  const auto queries = make_playlist_queries(playlists.titles, playlists.source(), {}).seen;
  PopularityRanker popularity(playlists.train_counts);
  const auto comm = make_single_communicator();
  EvaluationOptions options = at(2);
  EXPECT_TRUE(evaluate(popularity, queries, options, *comm).lists.empty());
  options.keep_lists = true;
  const auto lists = evaluate(popularity, queries, options, *comm).lists;
  ASSERT_EQ(lists.size(), 1U);
  ASSERT_EQ(lists[0].size(), 2U);
  EXPECT_EQ(lists[0][0].track, 1);
}

Evaluation made_up(const std::string& name, std::vector<double> hits) {
  Evaluation e;
  e.ranker = name;
  e.num_queries = std::ssize(hits);
  e.num_titles = e.num_queries;
  e.scores.assign(hits.size() * e.metrics.num_columns(), 0.25);
  for (size_t q = 0; q < hits.size(); ++q) {
    e.scores[q * e.metrics.num_columns() + e.metrics.column("hits@10")] = hits[q];
  }
  return e;
}

TEST(Report, PrintsABlockAQuerySetInLessThan100Columns) {
  QuerySet set;
  set.name = "seen titles";
  set.num_candidates = 400;
  std::vector<double> low, high, equal;
  for (int32_t i = 0; i < 200; ++i) {
    set.titles.push_back("title " + std::to_string(i));
    set.title_of.push_back(i);
    set.normalized_of.push_back(i);
    low.push_back(i % 2);
    high.push_back(1 + i % 3);
    equal.push_back(1 + (i + 1) % 3);
  }
  QuerySet empty;
  empty.name = "unseen titles";
  Report report;
  report.heading = {"simulated playlists"};
  report.blocks = {make_block(set, "what they are",
                              {made_up("popularity", low), made_up("BM25 (k1 0.5, b 0.05)", high),
                               made_up("generative", equal)},
                              10, 1),
                   make_block(empty, "others", {made_up("popularity", {})}, 10, 1)};
  const std::string text = format_report(report);
  EXPECT_THAT(text, HasSubstr("hits@10"));
  EXPECT_THAT(text, HasSubstr("200 queries drawn from 400, 200 distinct titles"));
  EXPECT_THAT(text, testing::ContainsRegex("popularity +0\\.5000  "));
  EXPECT_THAT(text, HasSubstr("BM25 (k1 0.5, b 0.05)                 1.9950= "));
  EXPECT_THAT(text, HasSubstr("generative                            2.0050* "));
  EXPECT_THAT(text, HasSubstr("no queries"));
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    EXPECT_LT(end - begin, 100U);
    begin = end + 1;
  }
  const auto json = to_json(report);
  const auto& popularity = json["blocks"][0]["rows"][0];
  EXPECT_EQ(popularity["metrics"]["hits@10"]["mean"], 0.5);
  EXPECT_LT(popularity["metrics"]["hits@10"]["low"], 0.5);
  EXPECT_GT(popularity["metrics"]["hits@10"]["high"], 0.5);
  EXPECT_LT(popularity["against_best"]["corrected_p_value"], 0.05);
  EXPECT_LT(popularity["against_best"]["difference"], -1);
}

TEST(Report, ListsAnOracleWithoutComparingAnybodyWithIt) {
  QuerySet set;
  set.name = "editorial prompts";
  std::vector<double> low, high, all;
  for (int32_t i = 0; i < 50; ++i) {
    set.titles.push_back("title " + std::to_string(i));
    set.title_of.push_back(i);
    set.normalized_of.push_back(i);
    low.push_back(i % 2);
    high.push_back(1 + i % 3);
    all.push_back(10);
  }
  const auto alone =
      make_block(set, "", {made_up("popularity", low), made_up("generative", high)}, 10, 1);
  Evaluation oracle = made_up("tags", all);
  oracle.is_oracle = true;
  const auto block =
      make_block(set, "", {oracle, made_up("popularity", low), made_up("generative", high)}, 10, 1);
  EXPECT_EQ(block.best, 2);
  EXPECT_EQ(block.rows[1].corrected_p_value, alone.rows[0].corrected_p_value);
  EXPECT_EQ(block.rows[1].against_best.difference, alone.rows[0].against_best.difference);
  Report report;
  report.blocks = {block};
  EXPECT_THAT(format_report(report), HasSubstr("10.0000o"));
  EXPECT_EQ(to_json(report)["blocks"][0]["rows"][0]["oracle"], true);
  EXPECT_FALSE(to_json(report)["blocks"][0]["rows"][1].contains("oracle"));
}

TEST(QuerySet, IsAskedForInRequestsOfTheSameQueries) {
  const auto playlists = corpus();
  const auto bare = make_playlist_queries(playlists.titles, playlists.source(), {}).unseen;
  const std::vector<std::string> requests = {"any {} about?", "some {} if you have it"};
  const auto asked = as_requests(bare, requests, 3);
  EXPECT_EQ(asked.name, "unseen titles as requests");
  EXPECT_EQ(asked.relevant, bare.relevant);
  EXPECT_EQ(asked.normalized_of, bare.normalized_of) << "titles are drawn again, not requests";
  ASSERT_EQ(asked.titles.size(), bare.titles.size());
  for (int64_t q = 0; q < asked.size(); ++q) {
    EXPECT_EQ(asked.words_of(q), bare.titles[bare.title_of[q]]);
    EXPECT_THAT(asked.titles[asked.title_of[q]],
                testing::AnyOf("any " + asked.words_of(q) + " about?",
                               "some " + asked.words_of(q) + " if you have it"));
  }
  EXPECT_EQ(as_requests(bare, requests, 3).titles, asked.titles);
}

}  // namespace
}  // namespace tutti::trainer
