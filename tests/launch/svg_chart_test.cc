#include "launch/svg_chart.h"

#include <gmock/gmock.h>

#include <limits>

#include <gtest/gtest.h>

namespace tutti::launch {
namespace {

using testing::HasSubstr;
using testing::Not;

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST(SvgChart, DrawsABarAndACaptionAValue) {
  const auto svg = bar_chart("Groups", "% of tracks", {"1", "2-3"},
                             {{"a", {50, 25}, {"50 %", "25 %"}}, {"b", {10, 5}, {"10", "5"}}});
  EXPECT_EQ(count_of(svg, "<rect"), 4U);
  EXPECT_EQ(count_of(svg, "class=\"label\""), 2U);
  EXPECT_THAT(svg, HasSubstr("aria-label=\"Groups\""));
  EXPECT_THAT(svg, HasSubstr(">25 %</text>"));
  EXPECT_THAT(svg, HasSubstr("<figcaption"));
  // The tallest bar reaches the top tick, 50: 250 - 34 - 40 high; the half of it is half as high.
  EXPECT_THAT(svg, HasSubstr("height=\"176.0\""));
  EXPECT_THAT(svg, HasSubstr("height=\"88.0\""));
}

TEST(SvgChart, LeavesOutWhatIsNotFiniteAndTakesAllZeros) {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto svg = bar_chart("x", "dB", {"a", "b"}, {{"s", {infinity, 3}, {"exact", "3"}}});
  EXPECT_EQ(count_of(svg, "<rect"), 1U);
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  EXPECT_THAT(svg, Not(HasSubstr("<figcaption")));
  EXPECT_THAT(bar_chart("x", "dB", {"a"}, {{"s", {0}, {"0"}}}), HasSubstr("height=\"0.0\""));
}

TEST(SvgChart, EscapesTextOfOthers) {
  EXPECT_EQ(escape_html("<b> & \"c\""), "&lt;b&gt; &amp; &quot;c&quot;");
  EXPECT_THAT(bar_chart("a<b", "y", {"<i>"}, {{"s", {1}, {"&"}}}), Not(HasSubstr("<i>")));
}

TEST(SvgChart, DrawsIntervalsAndNeedsNoCaptions) {
  const auto svg = bar_chart("x", "y", {"a"}, {{"s", {1}, {}, {{0, 2}}}});
  EXPECT_EQ(count_of(svg, "class=\"value\""), 0U);
  EXPECT_THAT(svg, HasSubstr("V34.0"));        // the upper end is the top of the axis
  EXPECT_THAT(svg, HasSubstr("y=\"122.0\""));  // the bar half as high
}

TEST(HeatTable, ShadesByTheLargestValueOffTheDiagonal) {
  const auto html = heat_table("bits", {"a", "b"}, {7, 0.5, 0.25, 6});
  EXPECT_THAT(html, HasSubstr("--share:60%\">0.50"));
  EXPECT_THAT(html, HasSubstr("--share:30%\">0.25"));
  EXPECT_THAT(html, HasSubstr("--share:0%\" class=\"own\">7.00"));
}

}  // namespace
}  // namespace tutti::launch
