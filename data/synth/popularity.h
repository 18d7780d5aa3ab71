#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/catalog.h"
#include "data/synth/options.h"
#include "dist/runtime/rng.h"

namespace tutti::data {

// Items drawn with probability proportional to their weight, by binary search.
class WeightedItems {
 public:
  void clear();
  void add(int32_t item, double weight);  // weight >= 0
  int64_t size() const { return std::ssize(items_); }
  int32_t draw(Rng& rng) const;  // not empty
  // Of the sum of all weights that item number i (in order of adding) has.
  double share(int64_t i) const {
    return (cumulative_[i] - (i == 0 ? 0 : cumulative_[i - 1])) / cumulative_.back();
  }
  std::span<const int32_t> items() const { return items_; }

 private:
  std::vector<int32_t> items_;
  std::vector<double> cumulative_;
};

// (rank + offset)^-exponent for rank 1..n.
std::vector<double> zipf_mandelbrot(int64_t n, double exponent, double offset);

// How popular each track is, [num_tracks]: Zipf-Mandelbrot over a ranking that mixes a random
// number of the artist with one of the track, both keyed by the seed.
std::vector<double> track_popularity(const Catalog& catalog, const SynthOptions& options);

}  // namespace tutti::data
