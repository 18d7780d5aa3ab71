#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tutti::trainer {

struct Interval {
  double low = 0, high = 0;
};

// How sure one can be that system a is better than system b on the same queries.
struct PairedComparison {
  double difference = 0;  // mean of a minus mean of b
  Interval interval;      // of the difference, 95 %
  double p_value = 1;     // two-sided, of the hypothesis that there is no difference
  double effect_size =
      0;  // difference / standard deviation of the queries' differences (Cohen's d)
};

// Bootstrap over clusters. Queries of one normalised title get the same list and are not
// independent, so titles are drawn, with all their queries (reference: Ihemelandu and Ekstrand,
// arXiv 2305.02461, on why bootstrap and t-test, and not Wilcoxon's). Draws are a pure function of
// the seed; all metrics and systems see the same ones.
class ClusterBootstrap {
 public:
  // cluster_of: [num_queries], any numbers >= 0.
  ClusterBootstrap(std::span<const int32_t> cluster_of, int num_resamples, uint64_t seed);

  // values: [num_queries], of a metric. The percentile interval of its mean, 95 %.
  Interval interval_of_mean(std::span<const double> values) const;
  PairedComparison compare(std::span<const double> a, std::span<const double> b) const;
  // The percentile interval of mean(a) / mean(b), 95 %, from the same draws of both. Infinite where
  // too many resamples find nothing in b.
  Interval interval_of_ratio(std::span<const double> a, std::span<const double> b) const;

  int64_t num_clusters() const { return num_clusters_; }

 private:
  std::vector<double> means_of_resamples(std::span<const double> values) const;

  int64_t num_clusters_ = 0;
  int num_resamples_;
  std::vector<int32_t> cluster_of_;    // [num_queries], 0 .. num_clusters - 1
  std::vector<double> cluster_sizes_;  // [num_clusters], queries
  std::vector<int32_t> draws_;         // [num_resamples, num_clusters]: how often each is drawn
};

// Holm's correction of several tests (Holm 1979): p-values that may be compared with one level.
std::vector<double> holm_corrected(std::span<const double> p_values);

}  // namespace tutti::trainer
