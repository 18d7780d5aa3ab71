#include "launch/memory_size.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

TEST(MemorySize, CountsInBinaryUnits) {
  EXPECT_EQ(memory_size("--memory", "512M"), int64_t{512} << 20);
  EXPECT_EQ(memory_size("--memory", "4G"), int64_t{4} << 30);
  EXPECT_EQ(memory_size("--memory", "1.5GiB"), int64_t{3} << 29);
  EXPECT_EQ(memory_size("--memory", "0"), 0);
}

TEST(MemorySize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "G", "4", "4 G", "4T", "-1G", "nanG", "1e12G", "4Gi"}) {
    EXPECT_THAT(message_of<UsageError>([&] { memory_size("--memory", text); }),
                testing::HasSubstr("--memory"))
        << text;
  }
}

}  // namespace
}  // namespace tutti::launch
