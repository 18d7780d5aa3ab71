#pragma once

#include <cstdint>
#include <span>

namespace tutti::trainer {

// How well the first k places of a ranked list hold the relevant tracks, each a number per query.
// The field uses "hits@10" for two things; both are here under names of their own.
struct MetricsAtK {
  double hits = 0;       // relevant tracks in the first k places: 0 .. k
  double hit_rate = 0;   // 1 when there is at least one ("success" in trec_eval)
  double precision = 0;  // hits / k, also when the list is shorter
  double recall = 0;     // hits / number of relevant tracks
  double ndcg = 0;  // trec_eval's: gain 1 / log2(place + 1), ideal over min(k, |relevant|) places
  double mrr = 0;   // 1 / place of the first relevant track, 0 when none is in the first k

  bool operator==(const MetricsAtK&) const = default;
};

// `ranking`: tracks, best first, at most k are looked at; no track twice (our bug). `relevant`:
// ascending, not empty.
MetricsAtK metrics_at_k(std::span<const int32_t> ranking, std::span<const int32_t> relevant, int k);

// The mean over queries, summed in the order given: the same bytes for the same list. All zero when
// there is no query.
MetricsAtK mean(std::span<const MetricsAtK> queries);

}  // namespace tutti::trainer
