#pragma once

#include <string>
#include <vector>

#include "trainer/baselines/bm25.h"
#include "trainer/baselines/sparse_scores.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// Query likelihood with Dirichlet smoothing (Zhai and Lafferty, SIGIR 2001) over the documents of a
// Bm25Index: the sum over words of ln((tf + mu * p) / (length + mu)) - ln p, p being the word's
// share of all words; words that no document holds are left out. Only tracks whose document holds a
// word of the query are ranked, ties by popularity; the list is then filled up with popular tracks.
class QueryLikelihoodRanker : public Ranker {
 public:
  // Both must outlive the ranker. `mu`: words, > 0.
  QueryLikelihoodRanker(const Bm25Index& index, const PopularityRanker& popularity, double mu);

  std::string name() const override;
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override;

 private:
  const Bm25Index& index_;
  double mu_;
  SparseScores scores_;
};

}  // namespace tutti::trainer
