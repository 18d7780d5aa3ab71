#include "trainer/baselines/tuned_baselines.h"

#include <utility>

#include "trainer/baselines/tune.h"

namespace tutti::trainer {

TunedBaselines::TunedBaselines(const data::Dataset& dataset,
                               const std::vector<QuerySet>& validation, int k, Communicator& comm,
                               const TrackVectors& vectors,
                               std::span<const EncodedCatalog> bi_encoders)
    : popularity_(dataset),
      titles_(TitleIndex::build(dataset)),
      words_(Bm25Index::build(dataset)),
      title_vote_(titles_, popularity_, tune_title_vote(titles_, popularity_, validation, k, comm)),
      query_likelihood_(words_, popularity_,
                        tune_query_likelihood(words_, popularity_, validation, k, comm)),
      bm25_(words_, popularity_, tune_bm25(words_, popularity_, validation, k, comm)) {
  for (const auto& [documents, name] :
       {std::pair(Bm25Documents{.titles = false, .metadata = true}, "metadata"),
        {Bm25Documents{.titles = true, .metadata = true}, "titles+metadata"}}) {
    auto named = std::make_unique<NamedBm25>();
    named->index = Bm25Index::build(dataset, documents);
    if (!documents.titles && named->index.num_documents() == 0) break;  // a catalogue without names
    named->ranker = std::make_unique<Bm25Ranker>(
        named->index, popularity_, tune_bm25(named->index, popularity_, validation, k, comm), name);
    with_names_.push_back(std::move(named));
  }
  if (!dataset.catalog().tags.empty()) {
    oracle_ = std::make_unique<NamedBm25>();
    oracle_->index = Bm25Index::build(dataset, {.titles = false, .metadata = false, .tags = true});
    // A track carries a tag or not, and more tags make it no less right.
    oracle_->ranker = std::make_unique<Bm25Ranker>(
        oracle_->index, popularity_, Bm25Parameters{.k1 = 1.2, .b = 0}, "tags, oracle");
  }
  for (const EncodedCatalog& catalog : bi_encoders) {
    bi_encoders_.push_back(tuned_bi_encoder(catalog, popularity_, validation, k, comm));
  }
  if (vectors.values.empty()) return;
  const auto parameters = tune_cf_nearest(vectors.values, vectors.dim, titles_, title_vote_,
                                          popularity_, validation, k, comm);
  cf_nearest_ = std::make_unique<CfNearestRanker>(vectors.values, vectors.dim, titles_, title_vote_,
                                                  popularity_, parameters);
}

std::vector<Ranker*> TunedBaselines::rankers() {
  std::vector<Ranker*> all = {&popularity_, &title_vote_, &query_likelihood_};
  for (const auto& named : with_names_) all.push_back(named->ranker.get());
  all.push_back(&bm25_);
  if (cf_nearest_) all.push_back(cf_nearest_.get());
  for (const auto& ranker : bi_encoders_) all.push_back(ranker.get());
  return all;
}

}  // namespace tutti::trainer
