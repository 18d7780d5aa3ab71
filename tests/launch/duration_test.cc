#include "launch/duration.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

double seconds(const char* text) {
  return std::chrono::duration<double>(duration_of("--time-limit", text)).count();
}

TEST(Duration, ReadsNumbersWithUnits) {
  EXPECT_EQ(seconds("90"), 90);
  EXPECT_EQ(seconds("90s"), 90);
  EXPECT_EQ(seconds("30m"), 1800);
  EXPECT_EQ(seconds("2.5h"), 9000);
  EXPECT_EQ(seconds("1d"), 86400);
  EXPECT_EQ(seconds("0.25"), 0.25);
}

TEST(Duration, ReadsWhatSlurmWrites) {
  EXPECT_EQ(seconds("05:30"), 330);
  EXPECT_EQ(seconds("2:00:00"), 7200);
  EXPECT_EQ(seconds("1-12:00:00"), 129600);
}

TEST(Duration, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "soon", "-5", "5x", "5 m", "1:2:3:4", "1:", ":30", "1-", "x-1:00:00", "1e30", "nan"}) {
    EXPECT_THAT(message_of<UsageError>([&] { duration_of("--time-limit", text); }),
                testing::HasSubstr("--time-limit"))
        << text;
  }
}

}  // namespace
}  // namespace tutti::launch
