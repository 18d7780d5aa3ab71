#include "dist/runtime/log.h"

#include <gmock/gmock.h>

#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace tutti::log {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string logged_by(int rank, int world_size, const std::function<void()>& work,
                      Level level = Level::kInfo) {
  init(rank, world_size, level);
  testing::internal::CaptureStderr();
  work();
  std::string text = testing::internal::GetCapturedStderr();
  init(0, 1);
  return text;
}

TEST(Log, PutsTimeAndLevelBeforeTheMessage) {
  EXPECT_THAT(logged_by(0, 1, [] { info("hello {} 100%"); }),
              MatchesRegex("[0-9][0-9]:[0-9][0-9]:[0-9][0-9] info +hello \\{\\} 100%\n"));
}

TEST(Log, TagsLinesWithTheRankWhenThereAreSeveral) {
  EXPECT_THAT(logged_by(2, 4, [] { warn("careful"); }), HasSubstr(" [rank 2/4] careful\n"));
  EXPECT_THAT(logged_by(0, 1, [] { warn("careful"); }), Not(HasSubstr("rank")));
}

TEST(Log, OtherRanksPrintWarningsAndErrorsOnly) {
  const std::string text = logged_by(1, 2, [] {
    debug("one");
    info("two");
    all_ranks("three");
    warn("four");
    error("five");
  });
  EXPECT_THAT(text, AllOf(Not(HasSubstr("one")), Not(HasSubstr("two")), HasSubstr("three"),
                          HasSubstr("four"), HasSubstr("five")));
}

TEST(Log, PrintsFromItsLevelUp) {
  auto all = [] {
    debug("one");
    info("two");
    warn("three");
    error("four");
  };
  EXPECT_THAT(logged_by(0, 1, all, Level::kDebug), HasSubstr("one"));
  EXPECT_THAT(logged_by(0, 1, all, Level::kInfo), AllOf(Not(HasSubstr("one")), HasSubstr("two")));
  EXPECT_THAT(logged_by(0, 1, all, Level::kWarn), AllOf(Not(HasSubstr("two")), HasSubstr("three")));
  EXPECT_THAT(logged_by(0, 1, all, Level::kError),
              AllOf(Not(HasSubstr("three")), HasSubstr("four")));
}

TEST(Log, UsesNoColourWhenNotOnATerminal) {
  EXPECT_THAT(logged_by(0, 1, [] { error("plain"); }), Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace tutti::log
