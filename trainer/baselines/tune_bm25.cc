#include "trainer/baselines/tune_bm25.h"

#include <cmath>
#include <cstdint>

#include "trainer/evaluate/evaluator.h"

namespace tutti::trainer {

Bm25Parameters tune_bm25(const Bm25Index& index, const PopularityRanker& popularity,
                         const std::vector<QuerySet>& validation, int k, Communicator& comm,
                         const Bm25Grid& grid) {
  Bm25Parameters best;
  int64_t best_hits = 0;
  for (double b : grid.b) {
    for (double k1 : grid.k1) {
      Bm25Ranker ranker(index, popularity, {k1, b});
      int64_t hits = 0;
      for (const QuerySet& queries : validation) {
        const Evaluation e = evaluate(ranker, queries, {.k = k}, comm);
        hits += std::llround(e.metrics.hits * static_cast<double>(e.num_queries));
      }
      if (hits <= best_hits) continue;
      best_hits = hits;
      best = {k1, b};
    }
  }
  return best;
}

}  // namespace tutti::trainer
