#include "trainer/schedule.h"

#include <cmath>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

TEST(LearningRate, WarmsUpThenFallsToItsFinalFraction) {
  LearningRate rate = {.peak = 1.0,
                       .warmup_steps = 10,
                       .total_steps = 110,
                       .schedule = Schedule::kCosine,
                       .final_fraction = 0.1};
  EXPECT_NEAR(rate.at(0), 0.1, 1e-12);
  EXPECT_NEAR(rate.at(9), 1.0, 1e-12);
  EXPECT_NEAR(rate.at(10), 1.0, 1e-12);
  EXPECT_NEAR(rate.at(60), 0.55, 1e-12);
  EXPECT_NEAR(rate.at(110), 0.1, 1e-12);
  rate.schedule = Schedule::kLinear;
  EXPECT_NEAR(rate.at(35), 0.1 + 0.9 * 0.75, 1e-12);
  rate.schedule = Schedule::kConstant;
  EXPECT_NEAR(rate.at(109), 1.0, 1e-12);
}

TEST(LearningRate, OfTheInverseSquareRootDoesNotKnowTheEnd) {
  LearningRate rate = {
      .peak = 2.0, .warmup_steps = 16, .total_steps = 100, .schedule = Schedule::kInverseSqrt};
  EXPECT_NEAR(rate.at(7), 1.0, 1e-12);
  EXPECT_NEAR(rate.at(15), 2.0, 1e-12);
  EXPECT_NEAR(rate.at(63), 1.0, 1e-12);
  EXPECT_NEAR(rate.at(1599), 0.2, 1e-12);
  rate.total_steps = 1'000'000;
  EXPECT_NEAR(rate.at(63), 1.0, 1e-12);
  rate.warmup_steps = 0;
  EXPECT_NEAR(rate.at(0), 2.0, 1e-12);
}

TEST(LearningRate, FallsWithTheWidthWhereNoneIsGiven) {
  EXPECT_NEAR(peak_for_width(128), 2e-3, 1e-12);
  EXPECT_NEAR(peak_for_width(256), 1e-3, 1e-12);
}

TEST(LearningRate, NamesTheKnownSchedulesWhenAskedForAnother) {
  EXPECT_EQ(schedule_from_name("cosine"), Schedule::kCosine);
  EXPECT_EQ(schedule_from_name("inverse-sqrt"), Schedule::kInverseSqrt);
  EXPECT_THROW(schedule_from_name("cosin"), UsageError);
}

}  // namespace
}  // namespace tutti::trainer
