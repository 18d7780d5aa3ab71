#include "data/synth/popularity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/synth/streams.h"
#include "dist/runtime/errors.h"

namespace tutti::data {

void WeightedItems::clear() {
  items_.clear();
  cumulative_.clear();
}

void WeightedItems::add(int32_t item, double weight) {
  items_.push_back(item);
  cumulative_.push_back((cumulative_.empty() ? 0 : cumulative_.back()) + weight);
}

int32_t WeightedItems::draw(Rng& rng) const {
  TUTTI_CHECK(!items_.empty());
  const double at = rng.uniform() * cumulative_.back();
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, at);
  return items_[found - cumulative_.begin()];
}

std::vector<double> zipf_mandelbrot(int64_t n, double exponent, double offset) {
  std::vector<double> weights(n);
  for (int64_t i = 0; i < n; ++i) {
    weights[i] = std::pow(static_cast<double>(i + 1) + offset, -exponent);
  }
  return weights;
}

std::vector<double> track_popularity(const Catalog& catalog, const SynthOptions& options) {
  const int64_t n = catalog.num_tracks();
  std::vector<double> score(n);
  for (int64_t t = 0; t < n; ++t) {
    const int32_t artist = catalog.track_artist[t];
    double of_artist = 0;
    if (artist >= 0) {
      of_artist = Rng(options.seed, Purpose::kSynthCatalog, artist_stream(artist)).normal();
    }
    const double of_track = Rng(options.seed, Purpose::kSynthCatalog, track_stream(t)).normal();
    score[t] = std::sqrt(options.artist_share) * of_artist +
               std::sqrt(1 - options.artist_share) * of_track;
  }
  std::vector<int32_t> ranking(n);
  std::iota(ranking.begin(), ranking.end(), 0);
  std::stable_sort(ranking.begin(), ranking.end(),
                   [&](int32_t a, int32_t b) { return score[a] > score[b]; });
  const auto by_rank = zipf_mandelbrot(n, options.popularity_exponent, options.popularity_offset);
  std::vector<double> popularity(n);
  for (int64_t r = 0; r < n; ++r) popularity[ranking[r]] = by_rank[r];
  return popularity;
}

}  // namespace tutti::data
