#include "trainer/evaluate/significance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The q-quantile of ascending values, linear between neighbours.
double quantile(const std::vector<double>& ascending, double q) {
  const double at = q * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, ascending.size() - 1);
  const double share = at - static_cast<double>(below);
  if (share == 0 || ascending[above] == ascending[below]) return ascending[below];  // infinite, too
  return ascending[below] + share * (ascending[above] - ascending[below]);
}

Interval percentile_interval(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {.low = quantile(values, 0.025), .high = quantile(values, 0.975)};
}

}  // namespace

ClusterBootstrap::ClusterBootstrap(std::span<const int32_t> cluster_of, int num_resamples,
                                   uint64_t seed)
    : num_resamples_(num_resamples), cluster_of_(cluster_of.begin(), cluster_of.end()) {
  TUTTI_CHECK(num_resamples > 0);
  // Clusters are numbered in order of first use: the draws then do not depend on the caller's
  // numbers.
  std::vector<int32_t> names(cluster_of_);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::vector<int32_t> number_of(names.size(), -1);
  for (int32_t& cluster : cluster_of_) {
    int32_t& number =
        number_of[std::lower_bound(names.begin(), names.end(), cluster) - names.begin()];
    if (number < 0) number = static_cast<int32_t>(num_clusters_++);
    cluster = number;
  }
  cluster_sizes_.assign(num_clusters_, 0);
  for (const int32_t cluster : cluster_of_) cluster_sizes_[cluster] += 1;

  draws_.assign(num_resamples_ * num_clusters_, 0);
  for (int resample = 0; resample < num_resamples_; ++resample) {
    Rng rng(seed, Purpose::kResample, static_cast<uint64_t>(resample));
    int32_t* drawn = draws_.data() + resample * num_clusters_;
    for (int64_t i = 0; i < num_clusters_; ++i)
      ++drawn[rng.below(static_cast<uint64_t>(num_clusters_))];
  }
}

std::vector<double> ClusterBootstrap::means_of_resamples(std::span<const double> values) const {
  TUTTI_CHECK(values.size() == cluster_of_.size(), "a value a query");
  std::vector<double> sums(num_clusters_, 0);
  for (size_t i = 0; i < values.size(); ++i) sums[cluster_of_[i]] += values[i];
  std::vector<double> means(num_resamples_);
  for (int resample = 0; resample < num_resamples_; ++resample) {
    const int32_t* drawn = draws_.data() + resample * num_clusters_;
    double sum = 0, queries = 0;
    for (int64_t c = 0; c < num_clusters_; ++c) {
      sum += drawn[c] * sums[c];
      queries += drawn[c] * cluster_sizes_[c];
    }
    means[resample] = sum / queries;
  }
  return means;
}

Interval ClusterBootstrap::interval_of_mean(std::span<const double> values) const {
  if (values.empty()) return {};
  return percentile_interval(means_of_resamples(values));
}

PairedComparison ClusterBootstrap::compare(std::span<const double> a,
                                           std::span<const double> b) const {
  TUTTI_CHECK(a.size() == b.size(), "the same queries");
  PairedComparison result;
  if (a.empty()) return result;
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  result.difference = mean_of(differences);
  double squares = 0;
  for (const double d : differences) squares += (d - result.difference) * (d - result.difference);
  const double deviation =
      std::sqrt(squares / static_cast<double>(std::max<size_t>(a.size() - 1, 1)));
  result.effect_size = deviation > 0 ? result.difference / deviation : 0;

  // Around the observed difference the resamples vary as the difference itself would around none.
  const std::vector<double> means = means_of_resamples(differences);
  int64_t as_far = 0;
  for (const double mean : means) {
    as_far += std::abs(mean - result.difference) >= std::abs(result.difference) ? 1 : 0;
  }
  result.p_value = static_cast<double>(as_far + 1) / static_cast<double>(num_resamples_ + 1);
  result.interval = percentile_interval(means);
  return result;
}

Interval ClusterBootstrap::interval_of_ratio(std::span<const double> a,
                                             std::span<const double> b) const {
  TUTTI_CHECK(a.size() == b.size(), "the same queries");
  if (a.empty()) return {};
  std::vector<double> ratios = means_of_resamples(a);
  const std::vector<double> below = means_of_resamples(b);
  for (size_t i = 0; i < ratios.size(); ++i) {
    ratios[i] = below[i] > 0 ? ratios[i] / below[i] : std::numeric_limits<double>::infinity();
  }
  return percentile_interval(std::move(ratios));
}

std::vector<double> holm_corrected(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> corrected(p_values.size());
  double so_far = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const double p = p_values[order[i]] * static_cast<double>(order.size() - i);
    so_far = std::max(so_far, std::min(1.0, p));
    corrected[order[i]] = so_far;
  }
  return corrected;
}

}  // namespace tutti::trainer
