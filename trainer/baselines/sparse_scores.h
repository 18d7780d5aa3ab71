#pragma once

#include <cstdint>
#include <vector>

#include "trainer/baselines/popularity.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// Fills the best, less than k tracks, up with the most popular others, so that a baseline is at its
// best; their score is 0, or that of the last track where scores are below 0.
void fill_with_popular(std::vector<Recommendation>& best, const PopularityRanker& popularity,
                       int k);

// Scores of the tracks that a query touches, added up in a dense array that is all zero between
// queries: a query costs its postings, not the catalog.
class SparseScores {
 public:
  explicit SparseScores(const PopularityRanker& popularity);  // which must outlive it

  // `score` > 0.
  void add(int32_t track, float score) {
    float& sum = scores_[track];
    if (sum == 0) touched_.push_back(track);
    sum += score;
  }
  // Lets every touched track change its sum: change(track, sum) -> the new one.
  template <typename Change>
  void transform(const Change& change) {
    for (const int32_t track : touched_) scores_[track] = change(track, scores_[track]);
  }

  // The k tracks with the highest sums, equal ones by popularity, filled up with popular ones; and
  // forgets all sums.
  std::vector<Recommendation> take_top(int k);

 private:
  const PopularityRanker& popularity_;
  std::vector<int32_t> places_;  // [num_tracks], in the popularity order: breaks ties
  std::vector<float> scores_;    // [num_tracks]
  std::vector<int32_t> touched_;
};

}  // namespace tutti::trainer
