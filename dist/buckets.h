#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dist/communicator.h"

namespace tutti {

// The elements [0, n) of a flat buffer, cut into ranges of `bucket_elements` (> 0) and a last one
// that holds the rest: what one collective carries. A bucket never crosses an element of `borders`
// (ascending). The same on all ranks by construction.
std::vector<Range> make_buckets(int64_t n, int64_t bucket_elements,
                                std::span<const int64_t> borders = {});

// Buckets in the order in which a backward pass can be expected to complete them, and when each is
// complete: when all parameters that it holds a part of are.
class BucketSchedule {
 public:
  // `parameters`: the range of each in the flat buffer, in the order in which forward uses them
  // (backward completes them the other way round). `buckets`: as made by make_buckets().
  BucketSchedule(std::span<const Range> parameters, std::vector<Range> buckets);

  // In the order of the launches, which is the same on all ranks whatever happens in a step.
  const std::vector<Range>& buckets() const { return buckets_; }

  void reset();  // no parameter is complete, no bucket launched
  // Parameter p is complete. Returns the buckets that are to be launched: the next ones in order
  // that are complete, [first, last). A second call for p in one pass is our bug.
  Range complete(size_t parameter);
  Range complete_all();  // what is left to launch

 private:
  Range launchable();

  std::vector<Range> buckets_;
  std::vector<std::vector<size_t>> buckets_of_;  // by parameter
  std::vector<int64_t> num_parameters_;          // by bucket: that hold a part of it
  std::vector<int64_t> num_missing_;             // by bucket: not complete
  std::vector<bool> is_complete_;                // by parameter
  int64_t next_ = 0;                             // bucket to launch
};

}  // namespace tutti
