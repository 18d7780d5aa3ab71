#include "trainer/baselines/tuned_baselines.h"

#include <algorithm>
#include <string>
#include <utility>

#include "trainer/baselines/tune.h"

namespace tutti::trainer {
namespace {

// What a catalogue says of its tracks: "names", "tags", "names+tags"; empty: nothing.
std::string words_for_metadata(const data::Catalog& catalog) {
  std::string words;
  const bool has_names = !catalog.track_names.bytes.empty() ||
                         !catalog.artist_names.bytes.empty() || !catalog.album_names.bytes.empty();
  if (has_names) words = "names";
  if (!catalog.tags.empty()) words += words.empty() ? "tags" : "+tags";
  return words;
}

}  // namespace

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
  const bool has_tags = !dataset.catalog().tags.empty();
  const std::string metadata = words_for_metadata(dataset.catalog());
  for (const bool titles : {false, true}) {
    if (metadata.empty()) break;
    auto named = std::make_unique<NamedBm25>();
    named->index =
        Bm25Index::build(dataset, {.titles = titles, .metadata = true, .tags = has_tags});
    named->has_tags = has_tags;
    named->ranker = std::make_unique<Bm25Ranker>(
        named->index, popularity_, tune_bm25(named->index, popularity_, validation, k, comm),
        titles ? "titles+" + metadata : metadata);
    with_metadata_.push_back(std::move(named));
  }
  if (has_tags) {
    oracle_ = std::make_unique<NamedBm25>();
    oracle_->index = Bm25Index::build(dataset, {.titles = false, .metadata = false, .tags = true});
    oracle_->has_tags = true;
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

bool TunedBaselines::has_read_tags(const Ranker* ranker) const {
  if (oracle_ && ranker == oracle_->ranker.get()) return true;
  return std::any_of(with_metadata_.begin(), with_metadata_.end(), [&](const auto& named) {
    return named->has_tags && ranker == named->ranker.get();
  });
}

std::vector<Ranker*> TunedBaselines::rankers() {
  std::vector<Ranker*> all = {&popularity_, &title_vote_, &query_likelihood_};
  for (const auto& named : with_metadata_) all.push_back(named->ranker.get());
  all.push_back(&bm25_);
  if (cf_nearest_) all.push_back(cf_nearest_.get());
  for (const auto& ranker : bi_encoders_) all.push_back(ranker.get());
  return all;
}

}  // namespace tutti::trainer
