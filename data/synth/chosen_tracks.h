#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "dist/runtime/rng.h"

namespace tutti::data {

// The distinct tracks of one playlist, in the order they came.
class ChosenTracks {
 public:
  // False when the track is there already.
  bool add(int32_t track) {
    const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), track);
    if (at != sorted_.end() && *at == track) return false;
    sorted_.insert(at, track);
    order_.push_back(track);
    return true;
  }
  int64_t size() const { return std::ssize(order_); }
  int32_t any(Rng& rng) const { return order_[rng.below(order_.size())]; }  // not empty
  std::vector<int32_t> take() { return std::move(order_); }

 private:
  std::vector<int32_t> sorted_, order_;
};

}  // namespace tutti::data
