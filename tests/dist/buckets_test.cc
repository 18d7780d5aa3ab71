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
}

}  // namespace
}  // namespace tutti
