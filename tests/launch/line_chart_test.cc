#include "launch/line_chart.h"

#include <gmock/gmock.h>

#include <cmath>

#include <gtest/gtest.h>

namespace tutti::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(ChartScale, HasRoundTicksThatHoldTheValues) {
  EXPECT_THAT(linear_scale(0, 0.93).ticks,
              ElementsAre(0, 0.2, testing::DoubleEq(0.4), testing::DoubleNear(0.6, 1e-12), 0.8, 1));
  const auto scale = linear_scale(10.2, 12.4);
  EXPECT_LE(scale.low, 10.2);
  EXPECT_GE(scale.high, 12.4);
  EXPECT_DOUBLE_EQ(scale.share_of(scale.low), 0);
  EXPECT_DOUBLE_EQ(scale.share_of(scale.high), 1);
}

TEST(ChartScale, WidensWhatHasNoLength) {
  EXPECT_GT(linear_scale(3, 3).high, 3);
  EXPECT_GT(linear_scale(NAN, NAN).high, linear_scale(NAN, NAN).low);
  EXPECT_GT(logarithmic_scale({8}).high, 8);
}

TEST(ChartScale, TakesTheValuesAsLogarithmicTicksUnlessTheyTouch) {
  EXPECT_THAT(logarithmic_scale({10, 1, 100, 101, 0, -3}).ticks, ElementsAre(1, 10, 100));
}

TEST(LineChart, LeavesOutWhatCannotBeDrawn) {
  LineChart chart{.title = "t", .x_axis = "x", .y_axis = "y", .logarithmic_x = true};
  chart.series = {{"a", {{0, 1}, {1, NAN}, {2, 3}, {4, 5}}}};
  const auto svg = line_chart(chart);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  // The line joins the two points that are left, from one end of the axis to the other.
  EXPECT_THAT(svg, testing::ContainsRegex("d=\"M68\\.0 [0-9.]+L472\\.0 [0-9.]+\""));
  chart.series = {{"a", {{0, 1}}}};
  EXPECT_EQ(line_chart(chart), "");
}

TEST(LineChart, NamesSeriesOnlyWhenThereAreSeveralAndEscapesThem) {
  LineChart chart{.title = "<t>", .x_axis = "<x>", .y_axis = "<y>"};
  chart.series = {{"<script>", {{1, 1, 0.5, 1.5, "<label>"}}}};
  EXPECT_THAT(line_chart(chart), Not(HasSubstr("script")));
  chart.series.push_back({"b", {{2, 2}}});
  const auto svg = line_chart(chart);
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;"));
  for (const char* raw : {"<script>", "<t>", "<x>", "<y>", "<label>"}) {
    EXPECT_THAT(svg, Not(HasSubstr(raw)));
  }
}

TEST(IntervalChart, PutsTheMeanBetweenItsBounds) {
  const auto svg = interval_chart("t", "x", {{"a", 0.5, 0, 1, true}});
  EXPECT_THAT(svg, HasSubstr("M250.0 21.0H650.0"));  // the axis goes from 0 to 1
  EXPECT_THAT(svg, HasSubstr("M450.0 21.0"));
}

}  // namespace
}  // namespace tutti::launch
