#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dist/communicator.h"
#include "trainer/evaluate/metric_set.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

struct EvaluationOptions {
  MetricSet metrics{{10}};
  int depth = 10;           // tracks a list; cutoffs beyond it see shorter lists
  int titles_at_once = 32;  // titles of about one length that a ranker is given in one call
  bool keep_lists = false;  // gather all lists on every rank, to write them to a file
  std::function<void(int64_t num_titles)> on_ranked =
      {};  // after each call of this rank, for a meter
};

struct Evaluation {
  std::string ranker;
  MetricSet metrics{{10}};
  std::vector<double> scores;                      // [num_queries, num_columns]
  std::vector<std::vector<Recommendation>> lists;  // [num_titles] when kept
  int64_t num_queries = 0;
  int64_t num_titles = 0;  // distinct: what was ranked
  double seconds = 0;      // ranking, the slowest rank
  bool is_oracle = false;  // it was told what is right: listed, never compared with

  // The mean of a metric ("hits@10") over queries, summed in their order; 0 without queries.
  double mean(std::string_view metric) const;
  std::vector<double> values_of(std::string_view metric) const;  // [num_queries]
  double titles_per_second() const { return seconds > 0 ? num_titles / seconds : 0; }
};

// Ranks every distinct title of the set once and scores each query. Collective: titles are dealt to
// ranks in calls that are the same at any world size, every query is scored by one rank and the
// means are taken over all queries in their order, so the metrics are the same bytes at any world
// size (given equal lists from the rankers) and on every rank.
Evaluation evaluate(Ranker& ranker, const QuerySet& queries, const EvaluationOptions& options,
                    Communicator& comm);

// Scores lists that another system made for each query: no ranking, no time. [num_queries] lists.
Evaluation evaluate_lists(const std::string& system,
                          std::span<const std::vector<Recommendation>> lists,
                          const QuerySet& queries, const EvaluationOptions& options);

}  // namespace tutti::trainer
