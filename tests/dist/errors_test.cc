#include "dist/runtime/errors.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

namespace tutti {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(Sentence, JoinsAllParts) {
  EXPECT_EQ(sentence({"a.csv", "line 7", "'x'", "a number", "fix it"}),
            "a.csv: line 7: found 'x', expected a number; fix it");
}

TEST(Sentence, LeavesOutEmptyParts) {
  EXPECT_EQ(sentence({"", "--seed", "'x'", "", ""}), "--seed: found 'x'");
  EXPECT_EQ(sentence({"a.csv", "", "", "a header", ""}), "a.csv: expected a header");
  EXPECT_EQ(sentence({"a.csv", "", "", "", "give another"}), "a.csv; give another");
  EXPECT_EQ(sentence({"", "", "", "", "give another"}), "give another");
  EXPECT_EQ(sentence({"", "", "1", "2", ""}), "found 1, expected 2");
  EXPECT_EQ(sentence({}), "");
}

TEST(Sentence, StaysOnOneLine) {
  EXPECT_EQ(sentence({"a", "", "x\ny\tz\x01", "", ""}), "a: found x\\ny\\tz\\x01");
}

TEST(Sentence, CutsALongValueBetweenCharacters) {
  std::string long_value;
  for (int i = 0; i < 1000; ++i) long_value += "ä";
  const std::string line = sentence({"a", "", "b" + long_value, "", ""});
  EXPECT_LT(line.size(), 400U);
  EXPECT_THAT(line, HasSubstr("ä... (2001 bytes)"));
}

TEST(Errors, CarryTheirExitCode) {
  EXPECT_EQ(UsageError("x").code(), ExitCode::kUsage);
  EXPECT_EQ(DataError("x").code(), ExitCode::kBadData);
  EXPECT_EQ(StorageError("x").code(), ExitCode::kStorage);
  EXPECT_EQ(NotFiniteError("x").code(), ExitCode::kNotFinite);
  EXPECT_EQ(PeerLostError("x").code(), ExitCode::kPeerLost);
  EXPECT_STREQ(
      DataError(Problem{.file = "f", .place = "p", .found = "", .expected = "", .cure = ""}).what(),
      "f: p");
}

TEST(Check, PassesAndFailsWithExpressionAndPlaceInTheTree) {
  EXPECT_NO_THROW(TUTTI_CHECK(1 + 1 == 2));
  try {
    TUTTI_CHECK(1 + 1 == 3, "arithmetic");
    FAIL();
  } catch (const std::logic_error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("`1 + 1 == 3`"), HasSubstr(": arithmetic"),
                                HasSubstr(" tests/dist/errors_test.cc:"), Not(HasSubstr("\n"))));
  }
}

}  // namespace
}  // namespace tutti
