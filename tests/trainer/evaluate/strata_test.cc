#include "trainer/evaluate/strata.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/trainer/tiny_playlists.h"

namespace tutti::trainer {
namespace {

TEST(Strata, PutEveryQueryIntoOneOfEachKind) {
  TinyPlaylists playlists;
  for (int i = 0; i < 12; ++i) playlists.add("chill", {i});
  playlists.add("late night drive", {1, 2});
  for (int i = 0; i < 3; ++i) playlists.add("Rainy Day!", {3});
  for (const char* title : {"Chill", "late night drive", "rainy day", "old songs for slow dancing"})
    playlists.add(title, {4, 5}, data::Part::kTest);
  const auto queries = make_playlist_queries(playlists.titles, playlists.source(), {});
  std::map<std::string, int64_t> sizes;
  for (const auto* set : {&queries.seen, &queries.unseen}) {
    std::map<std::string, int64_t> of_kind;
    for (const Stratum& stratum : strata_of(*set, playlists.titles)) {
      sizes[stratum.by + " " + stratum.name] += std::ssize(stratum.queries);
      of_kind[stratum.by] += std::ssize(stratum.queries);
      EXPECT_FALSE(stratum.queries.empty());
    }
    for (const auto& [kind, size] : of_kind) EXPECT_EQ(size, set->size()) << kind;
  }
  const std::map<std::string, int64_t> expected = {{"title words 0-1", 1},
                                                   {"title words 2", 1},
                                                   {"title words 3", 1},
                                                   {"title words 4+", 1},
                                                   {"training playlists of the title 0", 1},
                                                   {"training playlists of the title 1", 1},
                                                   {"training playlists of the title 2-9", 1},
                                                   {"training playlists of the title 10+", 1}};
  EXPECT_EQ(sizes, expected);
}

TEST(Strata, AverageAMetricOverTheirQueriesAlone) {
  QuerySet queries;
  for (int i = 0; i < 6; ++i) {
    queries.titles.push_back(std::to_string(i));
    queries.title_of.push_back(i);
    queries.normalized_of.push_back(i);
    queries.relevant.push_back(i);
    queries.offsets.push_back(i + 1);
  }
  const std::vector<std::vector<Recommendation>> lists = {{{0, 1}}, {{9, 1}}, {{2, 1}},
                                                          {{3, 1}}, {{9, 1}}, {{9, 1}}};
  const EvaluationOptions options = {.metrics = MetricSet({1}), .depth = 1};
  const std::vector<Evaluation> systems = {evaluate_lists("a", lists, queries, options)};
  const auto rows =
      score_stratum({.by = "x", .name = "y", .queries = {1, 2, 3}}, queries, systems, "hits@1", 0);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_NEAR(rows[0].mean, 2.0 / 3, 1e-12);
  EXPECT_LE(rows[0].interval.low, rows[0].mean);
  EXPECT_GE(rows[0].interval.high, rows[0].mean);
}

}  // namespace
}  // namespace tutti::trainer
