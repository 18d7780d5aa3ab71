#include "trainer/evaluate/validator.h"

#include "dist/runtime/errors.h"
#include "trainer/evaluate/evaluator.h"

namespace tutti::trainer {

Validator::Validator(const data::Dataset& dataset, int64_t max_queries)
    : queries_(make_playlist_queries(
          dataset, {.part = data::Part::kValidation, .max_queries = max_queries, .seed = 0})) {
  if (queries_.seen.size() + queries_.unseen.size() == 0) {
    throw DataError(Problem{dataset.path().string(), "", "no validation playlist",
                            "at least one, to validate on",
                            "train without --validate-every, or import with a split"});
  }
}

Validation Validator::run(Ranker& ranker, Communicator& comm) const {
  const EvaluationOptions ten_places = {.metrics = MetricSet({10}), .depth = 10};
  const Evaluation seen = evaluate(ranker, queries_.seen, ten_places, comm);
  const Evaluation unseen = evaluate(ranker, queries_.unseen, ten_places, comm);
  const double seen_hits = seen.mean("hits@10"), unseen_hits = unseen.mean("hits@10");
  const auto num_seen = static_cast<double>(seen.num_queries);
  const auto num_unseen = static_cast<double>(unseen.num_queries);
  return {.hits = (num_seen * seen_hits + num_unseen * unseen_hits) / (num_seen + num_unseen),
          .seen_hits = seen_hits,
          .unseen_hits = unseen_hits,
          .num_queries = seen.num_queries + unseen.num_queries,
          .seconds = seen.seconds + unseen.seconds};
}

}  // namespace tutti::trainer
