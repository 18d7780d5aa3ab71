#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/evaluate/track_facts.h"

namespace tutti::trainer {

// The metrics of a ranked list, one column each, so that means, intervals, tables and files treat
// all alike. The field gives one name to several things; the names here mean:
//   hits@k        relevant tracks in the first k places: 0 .. k
//   hit_rate@k    1 when there is one ("success" in trec_eval)
//   precision@k   hits / k, also when the list is shorter
//   recall@k      hits / number of relevant tracks
//   ndcg@k        trec_eval's: gain 1 / log2(place + 1), ideal over min(k, |relevant|) places
//   mrr@k         1 / place of the first relevant track, 0 when none is in the first k
// and of the whole list, however long it is:
//   map           mean over the relevant tracks of the precision at their place
//   r_precision   hits in the first |relevant| places / |relevant|
//   ndcg_challenge  RecSys Challenge 2018, rules page: gain 1 at place 1, 1 / log2(place) behind,
//   the
//                 ideal over as many places as there are hits
//   clicks        RecSys Challenge 2018: pages of 10 to turn before the first hit, 51 without one
//                 in 500 places
// and, where facts about tracks are given, of the first k places beside being right:
//   distinct_artists@k   artists; a track without one counts as one
//   popularity@k         mean over listed tracks of the training playlists that hold them
//   tail_share@k         share of listed tracks that are of the tail (see track_facts.h)
//   list_distance@k      mean over pairs of 1 - cosine of their vectors; only with vectors
//   hits_head@k, hits_torso@k, hits_tail@k   hits by the popularity of the track
class MetricSet {
 public:
  explicit MetricSet(std::vector<int> cutoffs);  // k, ascending, at least one
  // `k`: of the metrics that look at facts.
  MetricSet(std::vector<int> cutoffs, int k, std::shared_ptr<const TrackFacts> facts);

  const std::vector<std::string>& names() const { return names_; }  // [num_columns]
  int64_t num_columns() const { return std::ssize(names_); }
  int64_t column(std::string_view name) const;  // of a metric that is there (our bug otherwise)
  const std::vector<int>& cutoffs() const { return cutoffs_; }
  const TrackFacts* facts() const { return facts_.get(); }  // null: none were given

  // `ranking`: tracks, best first, none twice. `relevant`: ascending, not empty. `out`:
  // [num_columns].
  void score(std::span<const int32_t> ranking, std::span<const int32_t> relevant,
             std::span<double> out) const;

 private:
  void score_facts(std::span<const int32_t> ranking, std::span<const int32_t> relevant,
                   double* column) const;

  std::vector<int> cutoffs_;
  std::vector<std::string> names_;
  int facts_k_ = 0;
  std::shared_ptr<const TrackFacts> facts_;
};

}  // namespace tutti::trainer
