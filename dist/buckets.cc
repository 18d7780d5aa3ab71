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

}  // namespace tutti
