#pragma once

#include <cstdint>
#include <vector>

namespace tutti::data {

// The order in which an epoch visits `num_items` items: a keyed permutation of windows of
// consecutive items, then one inside each window, so that reads stay local. A pure function of
// (seed, epoch, position): no list is kept, any position is reached in O(log windows).
class EpochOrder {
 public:
  EpochOrder(int64_t num_items, int64_t window, uint64_t seed, int64_t epoch);
  int64_t item_at(int64_t position) const;  // position < num_items
  int64_t num_items() const { return num_items_; }

 private:
  int64_t num_items_, window_;
  uint64_t seed_;
  int64_t epoch_;
  std::vector<int64_t> window_at_;  // [windows], order of windows
  std::vector<int64_t> begin_of_;  // [windows + 1], positions where the windows of that order begin
};

// The items of one optimizer step: positions [step * titles_per_step, ...) of an endless sequence
// of epochs. The same at every world size. Steps run across epoch borders, so every step is full.
std::vector<int64_t> items_of_step(int64_t step, int64_t titles_per_step, int64_t num_items,
                                   int64_t window, uint64_t seed);

// Deals items to ranks by cost, longest first to the least loaded rank (lowest rank wins ties);
// result[r] are indices into `costs`, ascending. A pure function: every rank computes the same
// deal.
std::vector<std::vector<int32_t>> deal_by_cost(const std::vector<int64_t>& costs, int num_ranks);

}  // namespace tutti::data
