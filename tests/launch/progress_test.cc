#include "launch/progress.h"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tutti::launch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct FakeView {
  double now_s = 100;
  std::vector<std::string> shown;

  ProgressView view(bool on_terminal = false) {
    ProgressView view;
    view.on_terminal = on_terminal;
    view.every_s = 10;
    view.now_s = [this] { return now_s; };
    view.show = [this](std::string_view text) { shown.emplace_back(text); };
    return view;
  }
};

TEST(Progress, ShowsCountShareRateAndTimeLeftOnceTheIntervalHasPassed) {
  FakeView fake;
  {
    Progress progress("train", 2000, "steps", fake.view());
    fake.now_s += 9;
    progress.advance(400);
    EXPECT_THAT(fake.shown, IsEmpty());
    fake.now_s += 1;
    progress.note("loss 3.21");
    progress.advance(100);
  }
  EXPECT_THAT(fake.shown,
              ElementsAre("train: 500 of 2,000 steps, 25 %, 50 steps/s, 30.0 s left, loss 3.21",
                          "train: 500 steps in 10.0 s, 50 steps/s, loss 3.21"));
}

TEST(Progress, LeavesShareAndTimeLeftOutWhenTheTotalIsUnknown) {
  FakeView fake;
  Progress progress("import", 0, "playlists", fake.view());
  fake.now_s += 10;
  progress.set(20'000);
  progress.finish();
  EXPECT_THAT(fake.shown, ElementsAre("import: 20,000 playlists, 2,000 playlists/s",
                                      "import: 20,000 playlists in 10.0 s, 2,000 playlists/s"));
}

TEST(Progress, RewritesOneLineOnATerminal) {
  FakeView fake;
  Progress progress("synth", 4, "shards", fake.view(true));
  fake.now_s += 10;
  progress.advance(2);
  progress.finish();
  ASSERT_EQ(fake.shown.size(), 2u);
  EXPECT_EQ(fake.shown[0], "\rsynth: 2 of 4 shards, 50 %, 0.2 shards/s, 10.0 s left\x1b[K");
  EXPECT_EQ(fake.shown[1], "\rsynth: 2 shards in 10.0 s, 0.2 shards/s\x1b[K\n");
}

TEST(Progress, ReportsTheRecentRateButEstimatesFromTheWholeRun) {
  FakeView fake;
  Progress progress("x", 100, "rows", fake.view());
  fake.now_s += 10;
  progress.set(10);
  fake.now_s += 10;
  progress.set(40);
  EXPECT_EQ(fake.shown.back(), "x: 40 of 100 rows, 40 %, 1.6 rows/s, 30.0 s left");
}

TEST(Progress, SaysNothingOnOtherRanks) {
  FakeView fake;
  ProgressView view = fake.view();
  view.enabled = false;
  {
    Progress progress("x", 10, "rows", view);
    fake.now_s += 60;
    progress.advance(10);
  }
  EXPECT_THAT(fake.shown, IsEmpty());
}

TEST(Progress, DoesNotClaimToBeDoneWhenAnErrorEndsTheWork) {
  FakeView fake;
  try {
    Progress progress("x", 10, "rows", fake.view());
    throw std::runtime_error("stop");
  } catch (const std::runtime_error&) {
  }
  EXPECT_THAT(fake.shown, IsEmpty());
}

TEST(Words, AreShort) {
  EXPECT_EQ(duration_words(4.24), "4.2 s");
  EXPECT_EQ(duration_words(59.97), "1m 00s");
  EXPECT_EQ(duration_words(185), "3m 05s");
  EXPECT_EQ(duration_words(7800), "2h 10m");
  EXPECT_EQ(count_words(0), "0");
  EXPECT_EQ(count_words(999), "999");
  EXPECT_EQ(count_words(1'234'567), "1,234,567");
  EXPECT_EQ(count_words(-1000), "-1,000");
  EXPECT_EQ(count_words(-100), "-100");
}

}  // namespace
}  // namespace tutti::launch
