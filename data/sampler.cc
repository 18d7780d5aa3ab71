#include "data/sampler.h"

#include <algorithm>
#include <numeric>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::data {

EpochOrder::EpochOrder(int64_t num_items, int64_t window, uint64_t seed, int64_t epoch)
    : num_items_(num_items), window_(window), seed_(seed), epoch_(epoch) {
  TUTTI_CHECK(num_items >= 1 && window >= 1 && epoch >= 0);
  const int64_t num_windows = (num_items + window - 1) / window;
  const Permutation order(num_windows, seed, Purpose::kSampler, epoch);
  window_at_.reserve(num_windows);
  begin_of_.reserve(num_windows + 1);
  begin_of_.push_back(0);
  for (int64_t i = 0; i < num_windows; ++i) {
    const auto w = static_cast<int64_t>(order(i));
    const int64_t length = std::min(window, num_items - w * window);  // the last window is shorter
    window_at_.push_back(w);
    begin_of_.push_back(begin_of_.back() + length);
  }
}

int64_t EpochOrder::item_at(int64_t position) const {
  TUTTI_CHECK(position >= 0 && position < num_items_);
  const auto after = std::upper_bound(begin_of_.begin(), begin_of_.end(), position);
  const int64_t slot = after - begin_of_.begin() - 1;
  const int64_t w = window_at_[slot];
  const int64_t length = begin_of_[slot + 1] - begin_of_[slot];
  // The epoch is folded into the seed, so that a window has another inner order in each epoch.
  const Permutation inside(length, random_u64(seed_, Purpose::kSampler, epoch_), Purpose::kSampler,
                           w);
  return w * window_ + static_cast<int64_t>(inside(position - begin_of_[slot]));
}

std::vector<int64_t> items_of_step(int64_t step, int64_t titles_per_step, int64_t num_items,
                                   int64_t window, uint64_t seed) {
  TUTTI_CHECK(step >= 0 && titles_per_step >= 1 && num_items >= 1);
  std::vector<int64_t> items;
  items.reserve(titles_per_step);
  int64_t position = step * titles_per_step;
  const int64_t end = position + titles_per_step;
  while (position < end) {
    const int64_t epoch = position / num_items;
    const int64_t epoch_end = (epoch + 1) * num_items;
    const EpochOrder order(num_items, window, seed, epoch);
    for (; position < std::min(end, epoch_end); ++position) {
      items.push_back(order.item_at(position - epoch * num_items));
    }
  }
  return items;
}

std::vector<std::vector<int32_t>> deal_by_cost(const std::vector<int64_t>& costs, int num_ranks) {
  TUTTI_CHECK(num_ranks >= 1);
  std::vector<int32_t> longest_first(costs.size());
  std::iota(longest_first.begin(), longest_first.end(), 0);
  std::stable_sort(longest_first.begin(), longest_first.end(),
                   [&](int32_t a, int32_t b) { return costs[a] > costs[b]; });
  std::vector<int64_t> load(num_ranks, 0);
  std::vector<std::vector<int32_t>> deal(num_ranks);
  for (const int32_t item : longest_first) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += costs[item];
    deal[least - load.begin()].push_back(item);
  }
  for (auto& items : deal) std::sort(items.begin(), items.end());
  return deal;
}

}  // namespace tutti::data
