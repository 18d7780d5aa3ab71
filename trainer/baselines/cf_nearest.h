#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "dist/communicator.h"
#include "trainer/baselines/popularity.h"
#include "trainer/baselines/title_vote.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

struct CfNearestParameters {
  int num_titles = 50;      // nearest titles that are looked at, the same one among them
  bool unit_length = true;  // tracks by cosine; false: by inner product, which likes popular ones
};

// The tracks whose collaborative vectors are nearest to the mean vector of what the playlists of
// the same and of similar titles hold: sum over near titles of similarity times the mean of their
// tracks' vectors, a track as often as it is there. Exact search: the catalogue in tiles, one
// matrix product a tile and batch of titles. Titles without a neighbour get the popular tracks.
class CfNearestRanker : public Ranker {
 public:
  // `vectors`: [num_tracks, dim]. All but it must outlive the ranker; `titles` finds the
  // neighbours.
  CfNearestRanker(std::span<const float> vectors, int64_t dim, const TitleIndex& index,
                  TitleVoteRanker& titles, PopularityRanker& popularity,
                  const CfNearestParameters& parameters);

  std::string name() const override;
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override;

 private:
  // Adds to `mean` [dim]; false: the title has no neighbour.
  bool mean_vector(const std::string& title, std::span<float> mean);

  int64_t dim_;
  at::Tensor vectors_;  // [num_tracks, dim]
  const TitleIndex& index_;
  TitleVoteRanker& titles_;
  PopularityRanker& popularity_;
  CfNearestParameters parameters_;
};

// The parameters with the most hits@k on validation queries, as in tune.h. Collective.
CfNearestParameters tune_cf_nearest(std::span<const float> vectors, int64_t dim,
                                    const TitleIndex& index, TitleVoteRanker& titles,
                                    PopularityRanker& popularity,
                                    const std::vector<QuerySet>& validation, int k,
                                    Communicator& comm);

}  // namespace tutti::trainer
