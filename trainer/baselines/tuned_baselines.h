#pragma once

#include <memory>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "dist/communicator.h"
#include "trainer/baselines/bi_encoder_ranker.h"
#include "trainer/baselines/bm25.h"
#include "trainer/baselines/cf_nearest.h"
#include "trainer/baselines/popularity.h"
#include "trainer/baselines/query_likelihood.h"
#include "trainer/baselines/title_vote.h"
#include "trainer/evaluate/query_set.h"

namespace tutti::trainer {

// Collaborative vectors of the tracks, [num_tracks, dim]; empty: there are none.
struct TrackVectors {
  std::span<const float> values;
  int64_t dim = 0;
};

// What a team would have without training anything, each with the parameters that are best on
// validation playlists: popularity, title vote, query likelihood, BM25 over titles, over metadata
// (names and tags, as far as the catalogue has them) and over both, the bi-encoders given, and,
// given vectors, CF-nearest. All of them see training playlists only.
class TunedBaselines {
 public:
  // `validation`: what parameters are tuned on, by mean hits@k. `vectors` are copied, `bi_encoders`
  // outlive the object. Collective.
  TunedBaselines(const data::Dataset& dataset, const std::vector<QuerySet>& validation, int k,
                 Communicator& comm, const TrackVectors& vectors = {},
                 std::span<const EncodedCatalog> bi_encoders = {});
  TunedBaselines(const TunedBaselines&) = delete;  // its parts point to each other
  TunedBaselines& operator=(const TunedBaselines&) = delete;

  std::vector<Ranker*> rankers();  // weakest idea first; they live as long as this object
  // For prompts made of tags: BM25 over documents made of tags alone, at its best. Null where the
  // catalogue has no tags.
  Ranker* oracle() { return oracle_ ? oracle_->ranker.get() : nullptr; }
  // Whether a ranker has read the tags, so that it knows the answers to prompts made of them.
  bool has_read_tags(const Ranker* ranker) const;
  const PopularityRanker& popularity() const { return popularity_; }

 private:
  struct NamedBm25 {
    Bm25Index index;
    std::unique_ptr<Bm25Ranker> ranker;
    bool has_tags = false;
  };

  PopularityRanker popularity_;
  TitleIndex titles_;
  Bm25Index words_;
  TitleVoteRanker title_vote_;
  QueryLikelihoodRanker query_likelihood_;
  std::vector<std::unique_ptr<NamedBm25>> with_metadata_;  // metadata; titles and metadata
  Bm25Ranker bm25_;
  std::unique_ptr<NamedBm25> oracle_;
  std::vector<std::unique_ptr<BiEncoderRanker>> bi_encoders_;
  std::unique_ptr<CfNearestRanker> cf_nearest_;  // null without vectors
};

}  // namespace tutti::trainer
