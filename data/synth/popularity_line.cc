#include "data/synth/popularity_line.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/synth/streams.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::data {

PopularityLine::PopularityLine(const std::vector<double>& weights) : start_(weights.size() + 1) {
  TUTTI_CHECK(!weights.empty());
  double before = 0;
  for (size_t t = 0; t < weights.size(); ++t) {
    start_[t] = before;
    before += weights[t];
  }
  for (double& start : start_) start /= before;
  start_.back() = 1;
  size_t cells = 1;
  while (cells < weights.size()) cells *= 2;
  guide_.resize(cells + 1);
  int32_t place = 0;
  for (size_t cell = 0; cell <= cells; ++cell) {
    const double point = static_cast<double>(cell) / static_cast<double>(cells);
    while (place + 1 < size() && start_[place + 1] <= point) ++place;
    guide_[cell] = place;
  }
}

int64_t PopularityLine::place_at(double point) const {
  const auto cells = static_cast<double>(guide_.size() - 1);
  int64_t place = guide_[static_cast<size_t>(point * cells)];
  while (place + 1 < size() && start_[place + 1] <= point) ++place;
  return place;
}

std::vector<double> track_weights(const CatalogLayout& layout, const CatalogOptions& o,
                                  ThreadPool& pool) {
  constexpr int64_t kArtistsPerBlock = 1024;
  const int64_t n = layout.num_tracks(), num_artists = layout.num_artists();
  std::vector<double> score(n);
  const auto normal = [&](CatalogStream use, int64_t index) {
    return Rng(o.seed, Purpose::kSynthCatalog, catalog_stream(use, index)).normal();
  };
  pool.for_each_block(
      (num_artists + kArtistsPerBlock - 1) / kArtistsPerBlock, [&](int64_t block, int) {
        const int64_t last = std::min((block + 1) * kArtistsPerBlock, num_artists);
        for (int64_t a = block * kArtistsPerBlock; a < last; ++a) {
          const double of_artist = o.artist_score * normal(CatalogStream::kArtistPopularity, a);
          for (int64_t al = layout.artist_albums[a]; al < layout.artist_albums[a + 1]; ++al) {
            const double of_album =
                of_artist + o.album_score * normal(CatalogStream::kAlbumPopularity, al);
            for (int64_t p = layout.album_tracks[al]; p < layout.album_tracks[al + 1]; ++p) {
              score[p] = of_album + o.track_score * normal(CatalogStream::kTrackPopularity, p);
            }
          }
        }
      });
  std::vector<int32_t> ranking(n);
  std::iota(ranking.begin(), ranking.end(), 0);
  std::sort(ranking.begin(), ranking.end(), [&](int32_t a, int32_t b) {
    return score[a] != score[b] ? score[a] > score[b] : a < b;
  });
  const double knee = std::max(1.0, o.knee_share * static_cast<double>(n));
  std::vector<double> weights = std::move(score);
  for (int64_t r = 0; r < n; ++r) {
    const auto rank = static_cast<double>(r + 1);
    weights[ranking[r]] = std::pow(rank + o.head_offset, -o.head_exponent) *
                          std::pow(1 + rank / knee, o.head_exponent - o.tail_exponent);
  }
  return weights;
}

}  // namespace tutti::data
