#include "dist/single_copy.h"

#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/support/forbid_reads.h"

namespace tutti {
namespace {

using namespace std::string_view_literals;

constexpr const char* kMechanism = "OMPI_MCA_btl_vader_single_copy_mechanism";

// In a process of its own: what it is forbidden, it is for good. `before`: what the environment
// says; ends with 0 when it says `after` in the end.
[[noreturn]] void choose_where_forbidden(const char* before, std::string_view after) {
  if (!test::forbid_reading_other_processes()) std::_Exit(3);
  ::unsetenv(kMechanism);
  if (before != nullptr) ::setenv(kMechanism, before, 1);
  choose_single_copy();
  const char* chosen = std::getenv(kMechanism);
  std::_Exit(chosen != nullptr && chosen == after ? 0 : 1);
}

TEST(SingleCopy, IsGivenUpWhereReadingIsForbidden) {
  EXPECT_EXIT(choose_where_forbidden(nullptr, "none"), testing::ExitedWithCode(0), "");
}

TEST(SingleCopy, KeepsWhatTheEnvironmentSays) {
  EXPECT_EXIT(choose_where_forbidden("knem", "knem"), testing::ExitedWithCode(0), "");
}

TEST(SingleCopy, IsLeftToOpenMpiWhereReadingIsAllowed) {
  EXPECT_EXIT(
      {
        ::unsetenv(kMechanism);
        const bool is_allowed = can_read_other_process();
        choose_single_copy();
        std::_Exit((std::getenv(kMechanism) == nullptr) == is_allowed ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace tutti
