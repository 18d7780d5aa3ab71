#include "trainer/evaluate/track_facts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

TrackFacts make_track_facts(const data::Catalog& catalog, std::vector<int32_t> train_counts,
                            std::span<const float> vectors, int64_t dim) {
  TUTTI_CHECK(std::ssize(train_counts) == catalog.num_tracks());
  TrackFacts facts;
  facts.artist_of = catalog.track_artist;
  facts.train_counts = std::move(train_counts);
  const int64_t num_tracks = facts.num_tracks();

  std::vector<int32_t> order(num_tracks);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&facts](int32_t a, int32_t b) {
    return facts.train_counts[a] > facts.train_counts[b];
  });
  facts.popularity.assign(num_tracks, Popularity::kTail);
  for (int64_t place = 0; place < (num_tracks + 4) / 5; ++place) {
    facts.popularity[order[place]] =
        place < (num_tracks + 99) / 100 ? Popularity::kHead : Popularity::kTorso;
  }

  if (vectors.empty()) return facts;
  TUTTI_CHECK(std::ssize(vectors) == num_tracks * dim);
  facts.dim = dim;
  facts.unit_vectors.assign(vectors.begin(), vectors.end());
  for (int64_t t = 0; t < num_tracks; ++t) {
    const auto row = std::span(facts.unit_vectors).subspan(t * dim, dim);
    const double length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
    for (float& value : row) value = length > 0 ? static_cast<float>(value / length) : 0;
  }
  return facts;
}

double list_distance(const TrackFacts& facts, std::span<const int32_t> tracks) {
  if (tracks.size() < 2) return 0;
  // The sum over pairs of their products is (|sum|^2 - sum of |each|^2) / 2.
  std::vector<double> sum(facts.dim, 0);
  double own = 0;
  for (const int32_t track : tracks) {
    const float* row = facts.unit_vectors.data() + track * facts.dim;
    for (int64_t d = 0; d < facts.dim; ++d) {
      sum[d] += row[d];
      own += double{row[d]} * row[d];
    }
  }
  const double all = std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0);
  const auto n = static_cast<double>(tracks.size());
  return 1 - (all - own) / (n * (n - 1));
}

ListUse use_of(std::span<const std::vector<int32_t>> lists, int64_t num_tracks, int k) {
  ListUse use;
  std::vector<int64_t> times(num_tracks, 0);
  int64_t listed = 0, repeated = 0;
  for (const auto& list : lists) {
    std::vector<int32_t> first(list.begin(), list.begin() + std::min<int64_t>(k, std::ssize(list)));
    listed += std::ssize(first);
    std::sort(first.begin(), first.end());
    const auto end = std::unique(first.begin(), first.end());
    repeated += first.end() - end;
    first.erase(end, first.end());
    for (const int32_t track : first) ++times[track];
  }
  if (listed == 0 || num_tracks == 0) return use;
  use.distinct = 1 - static_cast<double>(repeated) / static_cast<double>(listed);
  std::sort(times.begin(), times.end());
  const auto n = static_cast<double>(num_tracks);
  const auto all = static_cast<double>(listed - repeated);
  double weighted = 0;
  int64_t used = 0;
  for (int64_t j = 0; j < num_tracks; ++j) {
    weighted += (2 * static_cast<double>(j + 1) - n - 1) * static_cast<double>(times[j]) / all;
    used += times[j] > 0 ? 1 : 0;
  }
  use.coverage = static_cast<double>(used) / n;
  use.gini = num_tracks > 1 ? weighted / (n - 1) : 0;
  return use;
}

double aliased_share(std::span<const std::vector<int32_t>> lists, const ids::IdTable& table,
                     int k) {
  const auto codes_of = [&table](int64_t track) {
    const auto id = table.id_of(track);
    return std::vector<int32_t>(id.begin(), id.end() - 1);
  };
  std::map<std::vector<int32_t>, int64_t> tracks_on;
  for (int64_t t = 0; t < table.num_tracks(); ++t) ++tracks_on[codes_of(t)];
  int64_t listed = 0, aliased = 0;
  for (const auto& list : lists) {
    for (int64_t i = 0; i < std::min<int64_t>(k, std::ssize(list)); ++i) {
      ++listed;
      aliased += tracks_on[codes_of(list[i])] > 1 ? 1 : 0;
    }
  }
  return listed > 0 ? static_cast<double>(aliased) / static_cast<double>(listed) : 0;
}

}  // namespace tutti::trainer
