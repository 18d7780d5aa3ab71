#include "dist/buckets.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "dist/runtime/errors.h"

namespace tutti {

std::vector<Range> make_buckets(int64_t n, int64_t bucket_elements,
                                std::span<const int64_t> borders) {
  TUTTI_CHECK(n >= 0 && bucket_elements > 0);
  TUTTI_CHECK(std::is_sorted(borders.begin(), borders.end()));
  std::vector<Range> buckets;
  for (int64_t first = 0; first < n;) {
    int64_t last = first + std::min(bucket_elements, n - first);
    const auto border = std::upper_bound(borders.begin(), borders.end(), first);
    if (border != borders.end()) last = std::min(last, *border);
    buckets.push_back({first, last});
    first = last;
  }
  return buckets;
}

BucketSchedule::BucketSchedule(std::span<const Range> parameters, std::vector<Range> buckets)
    : is_complete_(parameters.size()) {
  const auto overlap = [](const Range& a, const Range& b) {
    return a.first < b.last && b.first < a.last;
  };
  // A bucket is complete when the parameter of it that forward uses first is; one that holds
  // padding only waits for nothing.
  std::vector<size_t> first_used(buckets.size(), std::numeric_limits<size_t>::max());
  for (size_t b = 0; b < buckets.size(); ++b) {
    for (size_t p = 0; p < parameters.size() && first_used[b] > p; ++p) {
      if (overlap(parameters[p], buckets[b])) first_used[b] = p;
    }
  }
  std::vector<size_t> order(buckets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return first_used[a] > first_used[b]; });
  for (const size_t b : order) buckets_.push_back(buckets[b]);

  buckets_of_.resize(parameters.size());
  num_parameters_.resize(buckets_.size());
  for (size_t p = 0; p < parameters.size(); ++p) {
    for (size_t b = 0; b < buckets_.size(); ++b) {
      if (!overlap(parameters[p], buckets_[b])) continue;
      buckets_of_[p].push_back(b);
      ++num_parameters_[b];
    }
  }
  reset();
}

void BucketSchedule::reset() {
  num_missing_ = num_parameters_;
  std::fill(is_complete_.begin(), is_complete_.end(), false);
  next_ = 0;
}

Range BucketSchedule::complete(size_t parameter) {
  TUTTI_CHECK(!is_complete_[parameter], "a gradient was completed twice");
  is_complete_[parameter] = true;
  for (const size_t b : buckets_of_[parameter]) --num_missing_[b];
  return launchable();
}

Range BucketSchedule::complete_all() {
  const Range rest = {next_, std::ssize(buckets_)};
  next_ = rest.last;
  return rest;
}

Range BucketSchedule::launchable() {
  Range ready = {next_, next_};
  while (ready.last < std::ssize(buckets_) && num_missing_[static_cast<size_t>(ready.last)] == 0) {
    ++ready.last;
  }
  next_ = ready.last;
  return ready;
}

}  // namespace tutti
