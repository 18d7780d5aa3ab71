#include "trainer/baselines/tune.h"

#include <cmath>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "trainer/baselines/query_likelihood.h"
#include "trainer/evaluate/evaluator.h"

namespace tutti::trainer {
namespace {

// Keeps the candidate with the most hits: counted as integers, so that the choice cannot depend on
// the order of a sum.
template <typename Parameters>
class Best {
 public:
  Best(Parameters fallback, const std::vector<QuerySet>& validation, int k, Communicator& comm)
      : best_(fallback), validation_(validation), k_(k), comm_(comm) {}

  void consider(const Parameters& parameters, Ranker& ranker) {
    int64_t hits = 0;
    const EvaluationOptions options = {.metrics = MetricSet({k_}), .depth = k_};
    for (const QuerySet& queries : validation_) {
      const Evaluation e = evaluate(ranker, queries, options, comm_);
      for (const double value : e.values_of(fmt::format("hits@{}", k_)))
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

}  // namespace

Bm25Parameters tune_bm25(const Bm25Index& index, const PopularityRanker& popularity,
                         const std::vector<QuerySet>& validation, int k, Communicator& comm,
                         const Bm25Grid& grid) {
  Best<Bm25Parameters> best({}, validation, k, comm);
  for (const double b : grid.b) {
    for (const double k1 : grid.k1) {
      const Bm25Parameters candidate{k1, b};
      Bm25Ranker ranker(index, popularity, candidate);
      best.consider(candidate, ranker);
    }
  }
  return best.get();
}

double tune_query_likelihood(const Bm25Index& index, const PopularityRanker& popularity,
                             const std::vector<QuerySet>& validation, int k, Communicator& comm,
                             const QueryLikelihoodGrid& grid) {
  Best<double> best(grid.mu.front(), validation, k, comm);
  for (const double mu : grid.mu) {
    QueryLikelihoodRanker ranker(index, popularity, mu);
    best.consider(mu, ranker);
  }
  return best.get();
}

TitleVoteParameters tune_title_vote(const TitleIndex& index, const PopularityRanker& popularity,
                                    const std::vector<QuerySet>& validation, int k,
                                    Communicator& comm, const TitleVoteGrid& grid) {
  Best<TitleVoteParameters> best({}, validation, k, comm);
  for (const int num_neighbours : grid.num_neighbours) {
    for (const double alpha : grid.alpha) {
      for (const double beta : grid.beta) {
        for (const double shrinkage : grid.shrinkage) {
          const TitleVoteParameters candidate{num_neighbours, alpha, beta, shrinkage};
          TitleVoteRanker ranker(index, popularity, candidate);
          best.consider(candidate, ranker);
        }
      }
    }
  }
  return best.get();
}

}  // namespace tutti::trainer
