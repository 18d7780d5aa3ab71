#include "dist/buckets.h"

#include <gmock/gmock.h>

#include <array>
#include <stdexcept>

#include <gtest/gtest.h>

namespace tutti {

bool operator==(const Range& a, const Range& b) {
  return a.first == b.first && a.last == b.last;
}
void PrintTo(const Range& range, std::ostream* out) {
  *out << "[" << range.first << ", " << range.last << ")";
}

namespace {

using testing::ElementsAre;

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

TEST(Buckets, EndAtBorders) {
  EXPECT_THAT(make_buckets(25, 10, std::array<int64_t, 4>{0, 13, 20, 25}),
              ElementsAre(Range{0, 10}, Range{10, 13}, Range{13, 20}, Range{20, 25}));
}

TEST(Buckets, WrongSizesAreOurBug) {
  EXPECT_THROW(make_buckets(10, 0), std::logic_error);
  EXPECT_THROW(make_buckets(-1, 1), std::logic_error);
}

// Three matrices and, behind a border, the norm of the first and the last one: the layout of
// trainer/models/parameters.h in small.
class BucketScheduleTest : public testing::Test {
 protected:
  static constexpr std::array<Range, 5> kParameters = {Range{0, 6}, Range{32, 35}, Range{6, 14},
                                                       Range{14, 32}, Range{35, 40}};
  static constexpr std::array<int64_t, 1> kBorders = {32};
  BucketSchedule schedule_{kParameters, make_buckets(40, 10, kBorders)};
};

TEST_F(BucketScheduleTest, OrdersBucketsAsBackwardCompletesThem) {
  EXPECT_THAT(schedule_.buckets(), ElementsAre(Range{20, 30}, Range{30, 32}, Range{10, 20},
                                               Range{32, 40}, Range{0, 10}));
}

TEST_F(BucketScheduleTest, LaunchesABucketWithTheLastOfItsParametersAndNeverOutOfOrder) {
  EXPECT_EQ(schedule_.complete(4), (Range{0, 0}));
  EXPECT_EQ(schedule_.complete(3), (Range{0, 2}));
  EXPECT_EQ(schedule_.complete(0), (Range{2, 2}));  // its bucket also holds a part of 2
  EXPECT_EQ(schedule_.complete(1), (Range{2, 2}));  // its bucket is complete, but not its turn
  EXPECT_EQ(schedule_.complete(2), (Range{2, 5}));
  EXPECT_EQ(schedule_.complete_all(), (Range{5, 5}));
}

TEST_F(BucketScheduleTest, LaunchesTheRestWhenAPassLeftParametersOut) {
  schedule_.complete(3);
  EXPECT_EQ(schedule_.complete_all(), (Range{2, 5}));
  schedule_.reset();
  EXPECT_EQ(schedule_.complete_all(), (Range{0, 5}));
}

TEST_F(BucketScheduleTest, AGradientThatIsCompletedTwiceIsOurBug) {
  schedule_.complete(1);
  EXPECT_THROW(schedule_.complete(1), std::logic_error);
  schedule_.reset();
  EXPECT_NO_THROW(schedule_.complete(1));
}

TEST(BucketSchedule, OfAnEmptyBufferLaunchesNothing) {
  BucketSchedule schedule({}, make_buckets(0, 10));
  EXPECT_EQ(schedule.complete_all(), (Range{0, 0}));
}

}  // namespace
}  // namespace tutti
