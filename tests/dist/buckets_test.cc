#include "dist/buckets.h"

#include <stdexcept>

#include <gtest/gtest.h>

namespace tutti {
namespace {

TEST(Buckets, CoverTheBufferInOrderWithFullRangesAndARest) {
  for (int64_t n : {0, 1, 9, 10, 11, 100, 101}) {
    for (int64_t bucket_elements : {1, 10, 1000}) {
      int64_t covered = 0;
      for (const Range& bucket : make_buckets(n, bucket_elements)) {
        EXPECT_EQ(bucket.first, covered);
        EXPECT_TRUE(bucket.size() == bucket_elements || bucket.last == n);
        EXPECT_GT(bucket.size(), 0);
        EXPECT_LE(bucket.size(), bucket_elements);
        covered = bucket.last;
      }
      EXPECT_EQ(covered, n);
    }
  }
}

TEST(Buckets, WrongSizesAreOurBug) {
  EXPECT_THROW(make_buckets(10, 0), std::logic_error);
  EXPECT_THROW(make_buckets(-1, 1), std::logic_error);
  EXPECT_THROW(flat_offsets(std::vector<int64_t>{1, -1}), std::logic_error);
  const std::vector<Range> beyond = {{0, 3}};
  EXPECT_THROW(tensors_of_buckets(beyond, std::vector<int64_t>{0, 2}), std::logic_error);
}

TEST(Buckets, OffsetsAreRunningSums) {
  EXPECT_EQ(flat_offsets({}), (std::vector<int64_t>{0}));
  EXPECT_EQ(flat_offsets(std::vector<int64_t>{3, 0, 5}), (std::vector<int64_t>{0, 3, 3, 8}));
}

TEST(Buckets, NameTheTensorsWithElementsInThem) {
  const std::vector<std::vector<int64_t>> cases = {
      {10}, {3, 4, 3}, {0, 3, 0, 0, 4, 3, 0}, {1, 1, 1, 1, 1}, {0, 0, 7}, {25, 1, 30}};
  for (const auto& sizes : cases) {
    const std::vector<int64_t> offsets = flat_offsets(sizes);
    for (int64_t bucket_elements : {1, 3, 4, 10, 100}) {
      const std::vector<Range> buckets = make_buckets(offsets.back(), bucket_elements);
      const std::vector<Range> tensors = tensors_of_buckets(buckets, offsets);
      ASSERT_EQ(tensors.size(), buckets.size());
      for (size_t b = 0; b < buckets.size(); ++b) {
        int64_t first = -1, last = -1;  // by looking at every element
        for (int64_t i = buckets[b].first; i < buckets[b].last; ++i) {
          for (size_t t = 0; t < sizes.size(); ++t) {
            if (i < offsets[t] || i >= offsets[t + 1]) continue;
            if (first < 0) first = static_cast<int64_t>(t);
            last = static_cast<int64_t>(t) + 1;
          }
        }
        EXPECT_EQ(tensors[b].first, first);
        EXPECT_EQ(tensors[b].last, last);
      }
    }
  }
}

}  // namespace
}  // namespace tutti
