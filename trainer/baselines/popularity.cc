#include "trainer/baselines/popularity.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tutti::trainer {

PopularityRanker::PopularityRanker(std::vector<int32_t> train_counts)
    : counts_(std::move(train_counts)), order_(counts_.size()) {
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(),
                   [this](int32_t a, int32_t b) { return counts_[a] > counts_[b]; });
}

std::vector<int32_t> PopularityRanker::places() const {
  std::vector<int32_t> places(order_.size());
  for (size_t i = 0; i < order_.size(); ++i) places[order_[i]] = static_cast<int32_t>(i);
  return places;
}

std::vector<std::vector<Recommendation>> PopularityRanker::rank(std::span<const std::string> titles,
                                                                int k) {
  const size_t length = std::min<size_t>(k, order_.size());
  std::vector<Recommendation> top(length);
  for (size_t i = 0; i < length; ++i) {
    top[i] = {order_[i], static_cast<float>(counts_[order_[i]])};
  }
  return std::vector<std::vector<Recommendation>>(titles.size(), top);
}

}  // namespace tutti::trainer
