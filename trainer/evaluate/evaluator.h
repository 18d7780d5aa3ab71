#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "dist/communicator.h"
#include "trainer/evaluate/metrics.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

struct EvaluationOptions {
  int k = 10;
  int titles_at_once = 32;  // titles of about one length that a ranker is given in one call
  std::function<void(int64_t num_titles)> on_ranked =
      {};  // after each call of this rank, for a meter
};

struct Evaluation {
  std::string ranker;
  MetricsAtK metrics;  // means over queries
  int64_t num_queries = 0;
  int64_t num_titles = 0;  // distinct: what was ranked
  double seconds = 0;      // ranking, the slowest rank

  double titles_per_second() const { return seconds > 0 ? num_titles / seconds : 0; }
};

// Ranks every distinct title of the set once and scores each query. Collective: titles are dealt to
// ranks in calls that are the same at any world size, every query is scored by one rank and the
// means are taken over all queries in their order, so the metrics are the same bytes at any world
// size (given equal lists from the rankers) and on every rank.
Evaluation evaluate(Ranker& ranker, const QuerySet& queries, const EvaluationOptions& options,
                    Communicator& comm);

}  // namespace tutti::trainer
