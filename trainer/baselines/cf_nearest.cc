#include "trainer/baselines/cf_nearest.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/core.h>

#include "data/normalizer.h"
#include "dist/runtime/errors.h"
#include "trainer/baselines/exact_search.h"
#include "trainer/baselines/tune.h"

namespace tutti::trainer {

CfNearestRanker::CfNearestRanker(std::span<const float> vectors, int64_t dim,
                                 const TitleIndex& index, TitleVoteRanker& titles,
                                 PopularityRanker& popularity,
                                 const CfNearestParameters& parameters)
    : dim_(dim), index_(index), titles_(titles), popularity_(popularity), parameters_(parameters) {
  const auto num_tracks = std::ssize(popularity.order());
  TUTTI_CHECK(std::ssize(vectors) == num_tracks * dim, "vectors are of the catalog");
  vectors_ = at::empty({num_tracks, dim}, at::kFloat);
  auto* out = vectors_.mutable_data_ptr<float>();
  for (int64_t t = 0; t < num_tracks; ++t, out += dim) {
    const auto row = vectors.subspan(t * dim, dim);
    const double length =
        parameters.unit_length
            ? std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0))
            : 1.0;
    std::transform(row.begin(), row.end(), out, [length](float value) {
      return length > 0 ? static_cast<float>(value / length) : 0.0F;
    });
  }
}

std::string CfNearestRanker::name() const {
  return fmt::format("CF-nearest ({} titles, {})", parameters_.num_titles,
                     parameters_.unit_length ? "cosine" : "product");
}

bool CfNearestRanker::mean_vector(const std::string& title, std::span<float> mean) {
  const auto neighbours =
      titles_.neighbours_of(data::normalize_title(title), parameters_.num_titles);
  const auto* vectors = vectors_.const_data_ptr<float>();
  for (const auto& [neighbour, similarity] : neighbours) {
    int64_t entries = 0;
    for (const auto& vote : index_.votes_of(neighbour)) entries += vote.playlists;
    for (const auto& vote : index_.votes_of(neighbour)) {
      const float weight = similarity * static_cast<float>(vote.playlists) /
                           static_cast<float>(std::max<int64_t>(entries, 1));
      const float* row = vectors + vote.track * dim_;
      for (int64_t d = 0; d < dim_; ++d) mean[d] += weight * row[d];
    }
  }
  return !neighbours.empty();
}

std::vector<std::vector<Recommendation>> CfNearestRanker::rank(std::span<const std::string> titles,
                                                               int k) {
  TUTTI_CHECK(k > 0);
  const auto num_titles = std::ssize(titles);
  const at::Tensor means = at::zeros({num_titles, dim_}, at::kFloat);
  std::vector<bool> known;
  for (int64_t i = 0; i < num_titles; ++i) {
    known.push_back(mean_vector(
        titles[i], {means.mutable_data_ptr<float>() + i * dim_, static_cast<size_t>(dim_)}));
  }

  auto lists = nearest_rows(means, vectors_, k);
  const auto popular = popularity_.rank(titles.first(std::min<size_t>(titles.size(), 1)), k);
  for (int64_t i = 0; i < num_titles; ++i) {
    if (!known[i]) lists[i] = popular.front();
  }
  return lists;
}

CfNearestParameters tune_cf_nearest(std::span<const float> vectors, int64_t dim,
                                    const TitleIndex& index, TitleVoteRanker& titles,
                                    PopularityRanker& popularity,
                                    const std::vector<QuerySet>& validation, int k,
                                    Communicator& comm) {
  MostHits<CfNearestParameters> best({}, validation, k, comm);
  for (const bool unit_length : {true, false}) {
    for (const int num_titles : {1, 10, 50, 200}) {
      const CfNearestParameters candidate{num_titles, unit_length};
      CfNearestRanker ranker(vectors, dim, index, titles, popularity, candidate);
      best.consider(candidate, ranker);
    }
  }
  return best.get();
}

}  // namespace tutti::trainer
