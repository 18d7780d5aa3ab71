#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "dist/communicator.h"
#include "trainer/baselines/bm25.h"
#include "trainer/baselines/popularity.h"
#include "trainer/baselines/query_likelihood.h"
#include "trainer/baselines/title_vote.h"
#include "trainer/evaluate/query_set.h"

namespace tutti::trainer {

// What a team would have without training anything, each with the parameters that are best on
// validation playlists: popularity, title vote, BM25 and query likelihood. All of them see training
// playlists only.
class TunedBaselines {
 public:
  // `validation`: what parameters are tuned on, by mean hits@k. Collective.
  TunedBaselines(const data::Dataset& dataset, const std::vector<QuerySet>& validation, int k,
                 Communicator& comm);
  TunedBaselines(const TunedBaselines&) = delete;  // its parts point to each other
  TunedBaselines& operator=(const TunedBaselines&) = delete;

  std::vector<Ranker*> rankers();  // weakest idea first; they live as long as this object

 private:
  PopularityRanker popularity_;
  TitleIndex titles_;
  Bm25Index words_;
  TitleVoteRanker title_vote_;
  Bm25Ranker bm25_;
  QueryLikelihoodRanker query_likelihood_;
};

}  // namespace tutti::trainer
