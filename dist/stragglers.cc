#include "dist/stragglers.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "dist/runtime/errors.h"
#include "dist/runtime/process.h"

namespace tutti {
namespace {

constexpr int64_t kHostChars = 64;
constexpr size_t kHiccups = 2;

// Without the longest ones.
double trimmed_mean(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  if (values.size() > 2 * kHiccups) values.resize(values.size() - kHiccups);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

StragglerWatch::StragglerWatch(Communicator& comm, std::vector<std::string> phases,
                               StragglerRule rule)
    : comm_(comm), phases_(std::move(phases)), rule_(rule), times_(phases_.size()) {
  TUTTI_CHECK(rule_.window >= 1 && !phases_.empty());
  std::string host = host_name();
  host.resize(kHostChars, '\0');
  const std::vector<char> all = comm.all_gather(std::span<const char>(host));
  for (int rank = 0; rank < comm.size(); ++rank)
    hosts_.emplace_back(all.data() + rank * kHostChars);
}

std::vector<Straggler> StragglerWatch::note(std::span<const double> phase_ms) {
  TUTTI_CHECK(phase_ms.size() == phases_.size());
  for (size_t p = 0; p < phases_.size(); ++p) times_[p].push_back(phase_ms[p]);
  if (std::ssize(times_[0]) < rule_.window) return {};

  std::vector<double> mine;
  for (std::vector<double>& times : times_) {
    mine.push_back(trimmed_mean(times));
    times.clear();
  }
  const std::vector<double> all = comm_.all_gather(std::span<const double>(mine));
  const auto size = static_cast<size_t>(comm_.size());
  std::vector<double> medians;
  for (size_t p = 0; p < phases_.size(); ++p) {
    std::vector<double> of_ranks;
    for (size_t r = 0; r < size; ++r) of_ranks.push_back(all[r * phases_.size() + p]);
    // The lower one of an even number: of two ranks, the faster.
    const auto middle = of_ranks.begin() + (std::ssize(of_ranks) - 1) / 2;
    std::nth_element(of_ranks.begin(), middle, of_ranks.end());
    medians.push_back(*middle);
  }
  const double step_ms = std::accumulate(medians.begin(), medians.end(), 0.0);
  std::vector<Straggler> found;
  for (size_t r = 0; r < size; ++r) {
    for (size_t p = 0; p < phases_.size(); ++p) {
      const double ms = all[r * phases_.size() + p];
      if (ms <= rule_.times * medians[p] || ms - medians[p] < rule_.least_part * step_ms) continue;
      found.push_back({.rank = static_cast<int>(r),
                       .host = hosts_[r],
                       .phase = phases_[p],
                       .ms = ms,
                       .median_ms = medians[p]});
    }
  }
  return found;
}

}  // namespace tutti
