#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "dist/communicator.h"
#include "trainer/baselines/bm25.h"
#include "trainer/baselines/title_vote.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"

namespace tutti::trainer {

// Baselines are shown at their best: each of these tries a grid and returns the values with the
// most hits@k over the queries of all sets together (use validation playlists); the earlier of
// equals. The first of the grid when there is no query. Collective, and the same at any world size.

// Keeps the candidate with the most hits: counted as integers, so that the choice cannot depend on
// the order of a sum.
template <typename Parameters>
class MostHits {
 public:
  MostHits(Parameters fallback, const std::vector<QuerySet>& validation, int k, Communicator& comm)
      : best_(fallback), validation_(validation), k_(k), comm_(comm) {}

  void consider(const Parameters& parameters, Ranker& ranker) {
    int64_t hits = 0;
    const EvaluationOptions options = {.metrics = MetricSet({k_}), .depth = k_};
    for (const QuerySet& queries : validation_) {
      const Evaluation e = evaluate(ranker, queries, options, comm_);
      for (const double value : e.values_of("hits@" + std::to_string(k_)))
        hits += std::llround(value);
    }
    if (hits <= most_hits_) return;
    most_hits_ = hits;
    best_ = parameters;
  }
  const Parameters& get() const { return best_; }

 private:
  Parameters best_;
  int64_t most_hits_ = 0;
  const std::vector<QuerySet>& validation_;
  int k_;
  Communicator& comm_;
};

// Documents made of titles repeat their words once a playlist, so k1 is tried far below and above
// the values that suit prose, and b down to 0. Without a query: Lucene's values.
struct Bm25Grid {
  std::vector<double> k1 = {0.2, 0.5, 1.2, 3, 8, 20, 60};
  std::vector<double> b = {0, 0.05, 0.15, 0.4, 0.75};
};
Bm25Parameters tune_bm25(const Bm25Index& index, const PopularityRanker& popularity,
                         const std::vector<QuerySet>& validation, int k, Communicator& comm,
                         const Bm25Grid& grid = {});

// mu of the query likelihood, in words.
struct QueryLikelihoodGrid {
  std::vector<double> mu = {2000, 10, 50, 200, 1e4, 1e5, 1e6};
};
double tune_query_likelihood(const Bm25Index& index, const PopularityRanker& popularity,
                             const std::vector<QuerySet>& validation, int k, Communicator& comm,
                             const QueryLikelihoodGrid& grid = {});

struct TitleVoteGrid {
  std::vector<int> num_neighbours = {50, 200, 1000};
  std::vector<double> alpha = {0.2, 0.9};
  std::vector<double> beta = {0.5, 1.0};
  std::vector<double> shrinkage = {1, 5, 20, 100};
};
TitleVoteParameters tune_title_vote(const TitleIndex& index, const PopularityRanker& popularity,
                                    const std::vector<QuerySet>& validation, int k,
                                    Communicator& comm, const TitleVoteGrid& grid = {});

}  // namespace tutti::trainer
