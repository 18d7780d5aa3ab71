#include "data/string_index.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"

namespace tutti::data {
namespace {

TEST(StringIndex, NumbersStringsAsAMapDoes) {
  StringTable table;
  StringIndex index;
  std::map<std::string, int32_t> expected;
  Rng rng(1, Purpose::kTest);
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = std::to_string(rng.below(3000));
    const auto row = static_cast<int32_t>(expected.size());
    const int32_t wanted = expected.emplace(key, row).first->second;
    ASSERT_EQ(index.add(table, key), wanted);
  }
  EXPECT_EQ(table.size(), std::ssize(expected));
  const StringIndex again(table);
  for (const auto& [key, row] : expected) {
    EXPECT_EQ(again.find(table, key), row);
    EXPECT_EQ(table[row], key);
  }
  EXPECT_EQ(index.find(table, "absent"), -1);
  EXPECT_EQ(StringIndex().find(StringTable(), "absent"), -1);
}

}  // namespace
}  // namespace tutti::data
