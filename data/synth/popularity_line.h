#pragma once

#include <cstdint>
#include <vector>

#include "data/synth/catalog_layout.h"
#include "dist/runtime/thread_pool.h"

namespace tutti::data {

// The tracks of a generated catalogue, each as long as it is popular, one behind the other by
// place: a random point of the line, or of any stretch of it, is a track drawn by popularity. The
// whole line has length 1. Points are found in constant time on average.
class PopularityLine {
 public:
  explicit PopularityLine(const std::vector<double>& weights);  // [tracks] by place, > 0

  int64_t place_at(double point) const;                           // point in [0, 1)
  double start_of(int64_t place) const { return start_[place]; }  // place in [0, tracks]
  double length_of(int64_t place) const { return start_[place + 1] - start_[place]; }
  int64_t size() const { return std::ssize(start_) - 1; }

 private:
  std::vector<double> start_;   // [tracks + 1]
  std::vector<int32_t> guide_;  // [a power of two + 1], the place at i / size
};

// The weight of every track, [tracks] by place; see CatalogOptions.
std::vector<double> track_weights(const CatalogLayout& layout, const CatalogOptions& options,
                                  ThreadPool& pool);

}  // namespace tutti::data
