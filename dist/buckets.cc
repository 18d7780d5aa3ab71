#include "dist/buckets.h"

#include <algorithm>

#include "dist/runtime/errors.h"

namespace tutti {

std::vector<Range> make_buckets(int64_t n, int64_t bucket_elements) {
  TUTTI_CHECK(n >= 0 && bucket_elements > 0);
  std::vector<Range> buckets;
  for (int64_t first = 0; first < n;) {
    const int64_t last = first + std::min(bucket_elements, n - first);
    buckets.push_back({first, last});
    first = last;
  }
  return buckets;
}

std::vector<int64_t> flat_offsets(std::span<const int64_t> sizes) {
  std::vector<int64_t> offsets = {0};
  for (int64_t size : sizes) {
    TUTTI_CHECK(size >= 0);
    offsets.push_back(offsets.back() + size);
  }
  return offsets;
}

std::vector<Range> tensors_of_buckets(std::span<const Range> buckets,
                                      std::span<const int64_t> offsets) {
  TUTTI_CHECK(!offsets.empty() && offsets.front() == 0);
  std::vector<Range> tensors;
  for (const Range& bucket : buckets) {
    TUTTI_CHECK(bucket.first < bucket.last && bucket.last <= offsets.back());
    // The last tensor that starts at or before the first element holds it: those that share the
    // start are empty.
    const auto first = std::upper_bound(offsets.begin(), offsets.end(), bucket.first) - 1;
    const auto last = std::lower_bound(first, offsets.end(), bucket.last);
    tensors.push_back({first - offsets.begin(), last - offsets.begin()});
  }
  return tensors;
}

}  // namespace tutti
