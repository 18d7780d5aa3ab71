#include "launch/option_checks.h"

#include <string>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {
namespace {

template <typename Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(OptionChecks, AcceptTheBoundAndNameWhatLiesBelowIt) {
  EXPECT_EQ(refusal([] { require_at_least("--k", 1, 1); }), "");
  const std::string message = refusal([] { require_at_least("--k", 0, 1); });
  EXPECT_NE(message.find("--k"), std::string::npos) << message;
  EXPECT_NE(message.find("at least 1"), std::string::npos) << message;
}

TEST(OptionChecks, TakeAShareFromZeroToBelowOne) {
  EXPECT_EQ(refusal([] { require_share("--held-out", 0.0); }), "");
  EXPECT_NE(refusal([] { require_share("--held-out", 1.0); }), "");
  EXPECT_NE(refusal([] { require_share("--held-out", -0.1); }), "");
  EXPECT_NE(refusal([] { require_share("--held-out", std::stod("nan")); }), "");
}

TEST(OptionChecks, NameTheKnownWords) {
  EXPECT_EQ(refusal([] { require_one_of("--weight", "pair", {"pair", "playlist"}); }), "");
  const std::string message = refusal([] {
    require_one_of("--weight", "pears", {"pair", "playlist"});
  });
  EXPECT_NE(message.find("pair or playlist"), std::string::npos) << message;
}

}  // namespace
}  // namespace tutti::launch
