#include "launch/report/run_log.h"

#include <gmock/gmock.h>

#include <cmath>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

constexpr const char* kStep = R"({"event":"step","step":1,"loss":2,"step_ms":1000})"
                              "\n";

TEST(RunLog, ReadsStepsAndValidationsWithTheTimeUpToThem) {
  const TempFolder folder;
  write_bytes(folder / "run/log.jsonl",
              std::string(kStep) + R"({"event":"validation","step":1,"hits_at_10":0.5,"seconds":2})"
                                   "\n"
                                   R"({"event":"step","step":2,"loss":null,"step_ms":1000})"
                                   "\n");
  write_bytes(folder / "run/config.ini", "[train]\n");
  const auto log = read_run_log((folder / "run/").string());
  EXPECT_EQ(log.name, "run");
  EXPECT_EQ(log.config, "[train]\n");
  ASSERT_EQ(log.steps.size(), 2U);
  EXPECT_EQ(log.steps[1].seconds, 4);
  EXPECT_TRUE(std::isnan(log.steps[1].loss));
  ASSERT_EQ(log.validations.size(), 1U);
  EXPECT_EQ(log.validations[0].hits, 0.5);
  EXPECT_TRUE(std::isnan(log.validations[0].seen_hits));
}

TEST(RunLog, PassesOverALastLineThatWasCutOffAndNoOther) {
  const TempFolder folder;
  const auto cut = write_bytes(folder / "cut.jsonl", std::string(kStep) + R"({"event":"st)");
  int64_t records = 0;
  read_log(cut.string(), [&](const LogRecord&) { ++records; });
  EXPECT_EQ(records, 1);
  const auto torn = write_bytes(folder / "torn.jsonl", std::string("{\"event\n") + kStep);
  EXPECT_THAT(message_of<DataError>([&] { read_log(torn.string(), [](const LogRecord&) {}); }),
              testing::HasSubstr("torn.jsonl: line 1"));
}

TEST(RunLog, ThinsALongLogToMeans) {
  std::vector<LoggedStep> steps;
  for (int64_t i = 1; i <= 1000; ++i) steps.push_back({i, static_cast<double>(i), 2});
  steps[0].loss = 4;
  steps[5].loss = NAN;
  const auto points = thinned(steps, 100);
  ASSERT_EQ(points.size(), 100U);
  EXPECT_EQ(points.back().step, 1000);
  EXPECT_DOUBLE_EQ(points[0].loss, (4 + 8 * 2.0) / 9);
  EXPECT_DOUBLE_EQ(points[1].loss, 2);
  EXPECT_EQ(thinned(steps, 5000).size(), 1000U);
}

}  // namespace
}  // namespace tutti::launch
