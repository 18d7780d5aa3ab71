#include "trainer/baselines/tuned_baselines.h"

#include "trainer/baselines/tune.h"

namespace tutti::trainer {

TunedBaselines::TunedBaselines(const data::Dataset& dataset,
                               const std::vector<QuerySet>& validation, int k, Communicator& comm)
    : popularity_(dataset),
      titles_(TitleIndex::build(dataset)),
      words_(Bm25Index::build(dataset)),
      title_vote_(titles_, popularity_, tune_title_vote(titles_, popularity_, validation, k, comm)),
      bm25_(words_, popularity_, tune_bm25(words_, popularity_, validation, k, comm)),
      query_likelihood_(words_, popularity_,
                        tune_query_likelihood(words_, popularity_, validation, k, comm)) {}

std::vector<Ranker*> TunedBaselines::rankers() {
  return {&popularity_, &title_vote_, &query_likelihood_, &bm25_};
}

}  // namespace tutti::trainer
