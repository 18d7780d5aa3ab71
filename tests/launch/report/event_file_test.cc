#include "launch/report/event_file.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "launch/report/tensorboard.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

TEST(Crc32c, GivesTheValuesOfRfc3720) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);  // the check value of the catalogue of CRCs
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising.push_back(static_cast<char>(i));
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
}

TEST(EventFile, BeginsWithTheVersionRecord) {
  const auto bytes = event_file_bytes({});
  // wall_time: key and 8 bytes, step: key and 0, file_version: key, length and 13 letters.
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x1a\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.size(), 8U + 4 + 26 + 4);
  EXPECT_EQ(bytes.substr(12 + 11, 15),
            "\x1a\x0d"
            "brain.Event:2");
}

TEST(ScalarEvents, HoldEveryNumberOfTheLogAndTheTimeUpToIt) {
  const TempFolder folder;
  const auto log = write_bytes(
      folder / "log.jsonl",
      R"({"event":"step","step":1,"loss":2.5,"level_loss":[1.5,1],"skipped":false,"step_ms":500})"
      "\n"
      R"({"event":"validation","step":1,"hits_at_10":0.5,"seconds":2})"
      "\n"
      R"({"event":"step","step":2,"loss":null,"step_ms":500})"
      "\n");
  const auto events = scalar_events(log.string());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_THAT(events[0].values,
              testing::UnorderedElementsAre(
                  testing::Pair("train/loss", 2.5F), testing::Pair("train/level_loss_0", 1.5F),
                  testing::Pair("train/level_loss_1", 1.0F), testing::Pair("train/skipped", 0.0F),
                  testing::Pair("train/step_ms", 500.0F)));
  EXPECT_EQ(events[1].wall_s, 2.5);
  EXPECT_THAT(events[1].values, testing::Contains(testing::Pair("validation/hits_at_10", 0.5F)));
  EXPECT_EQ(events[2].wall_s, 3);
  EXPECT_EQ(events[2].values.size(), 1U);  // a loss that is not finite is no point
}

}  // namespace
}  // namespace tutti::launch
