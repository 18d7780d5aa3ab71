#pragma once

#include <vector>

#include "data/dataset.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// Tracks by the number of training playlists that hold them, most first; ties by track row. What
// every title gets when its words are ignored: the floor that any ranker has to leave behind.
class PopularityRanker : public Ranker {
 public:
  explicit PopularityRanker(const data::Dataset& dataset)
      : PopularityRanker(dataset.train_counts()) {}
  explicit PopularityRanker(std::vector<int32_t> train_counts);  // [num_tracks]

  std::string name() const override { return "popularity"; }
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override;

  const std::vector<int32_t>& order() const { return order_; }    // all tracks, most popular first
  const std::vector<int32_t>& counts() const { return counts_; }  // [num_tracks]
  // result[t]: the place of track t in order().
  std::vector<int32_t> places() const;

 private:
  std::vector<int32_t> counts_, order_;
};

}  // namespace tutti::trainer
