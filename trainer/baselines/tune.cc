#include "trainer/baselines/tune.h"

#include "trainer/baselines/query_likelihood.h"

namespace tutti::trainer {
Bm25Parameters tune_bm25(const Bm25Index& index, const PopularityRanker& popularity,
                         const std::vector<QuerySet>& validation, int k, Communicator& comm,
                         const Bm25Grid& grid) {
  MostHits<Bm25Parameters> best({}, validation, k, comm);
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
  MostHits<double> best(grid.mu.front(), validation, k, comm);
  for (const double mu : grid.mu) {
    QueryLikelihoodRanker ranker(index, popularity, mu);
    best.consider(mu, ranker);
  }
  return best.get();
}

TitleVoteParameters tune_title_vote(const TitleIndex& index, const PopularityRanker& popularity,
                                    const std::vector<QuerySet>& validation, int k,
                                    Communicator& comm, const TitleVoteGrid& grid) {
  MostHits<TitleVoteParameters> best({}, validation, k, comm);
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
