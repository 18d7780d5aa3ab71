#include "launch/line_chart.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "launch/svg_chart.h"

namespace tutti::launch {
namespace {

constexpr double kWidth = 500, kHeight = 300, kLeft = 56, kRight = 16, kTop = 36, kBottom = 46;
constexpr double kInset = 12;  // so that the first markers stay clear of the axis
constexpr double kRowHeight = 26, kLabelWidth = 250;
constexpr double kDodge = 3;  // between intervals of two series at one x

double x_of(const ChartScale& scale, double value) {
  return kLeft + kInset + (kWidth - kLeft - kRight - 2 * kInset) * scale.share_of(value);
}

double y_of(const ChartScale& scale, double value) {
  return kTop + (kHeight - kTop - kBottom) * (1 - scale.share_of(value));
}

bool can_be_drawn(const LineChart& chart, const LinePoint& point) {
  return std::isfinite(point.x) && std::isfinite(point.y) && (!chart.logarithmic_x || point.x > 0);
}

std::string marker(size_t series, double x, double y) {
  constexpr const char* kShapes[] = {
      "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "m-3.5-3.5h7v7h-7z",    "m0-4.5l4.2 7.6h-8.4z",
      "m0-5l4.5 5l-4.5 5l-4.5-5z",          "m0 4.5l4.2-7.6h-8.4z",
  };
  return fmt::format("<path class=\"s{}\" d=\"M{:.1f} {:.1f}{}\"/>", series % kChartColors, x, y,
                     kShapes[series % std::size(kShapes)]);
}

// Solid for the first series, then dashes that differ from their neighbours'.
std::string stroke_of(size_t series) {
  constexpr const char* kDashes[] = {"", "7 3", "2 3", "9 3 2 3"};
  const char* dash = kDashes[series % std::size(kDashes)];
  return fmt::format("class=\"line l{}\"{}", series % kChartColors,
                     *dash == 0 ? "" : fmt::format(" stroke-dasharray=\"{}\"", dash));
}

std::string key_of(const LineChart& chart) {
  if (chart.series.size() < 2) return "";
  std::string text = "<figcaption class=\"legend\">";
  for (size_t s = 0; s < chart.series.size(); ++s) {
    text += fmt::format(
        "<span><svg class=\"key\" width=\"30\" height=\"12\"><path {} d=\"M1 6H29\"/>{}</svg>{}"
        "</span>",
        stroke_of(s), chart.markers ? marker(s, 15, 6) : "", escape_html(chart.series[s].name));
  }
  return text + "</figcaption>";
}

std::string axes(const LineChart& chart, const ChartScale& x, const ChartScale& y) {
  std::string svg;
  for (const double tick : y.ticks) {
    svg += fmt::format(
        "<path class=\"grid\" d=\"M{:.0f} {:.1f}H{:.0f}\"/><text class=\"tick\" x=\"{:.0f}\" "
        "y=\"{:.1f}\">{}</text>\n",
        kLeft, y_of(y, tick), kWidth - kRight, kLeft - 7, y_of(y, tick) + 4, tick_words(tick));
  }
  for (const double tick : x.ticks) {
    svg += fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.0f}\">{}</text>\n", x_of(x, tick),
                       kHeight - kBottom + 18, tick_words(tick));
  }
  return svg + fmt::format("<text class=\"label soft\" x=\"{:.1f}\" y=\"{:.0f}\">{}</text>\n",
                           (kLeft + kWidth - kRight) / 2, kHeight - 8, escape_html(chart.x_axis));
}

}  // namespace

std::string line_chart(const LineChart& chart) {
  std::vector<double> xs;
  double least_y = INFINITY, most_y = -INFINITY;
  for (const auto& series : chart.series) {
    for (const auto& point : series.points) {
      if (!can_be_drawn(chart, point)) continue;
      xs.push_back(point.x);
      for (const double value : {point.y, point.low, point.high}) {
        if (!std::isfinite(value)) continue;
        least_y = std::min(least_y, value);
        most_y = std::max(most_y, value);
      }
    }
  }
  if (xs.empty()) return "";
  if (chart.y_from_zero) least_y = std::min(0.0, least_y);
  const auto [first_x, last_x] = std::minmax_element(xs.begin(), xs.end());
  const ChartScale x =
      chart.logarithmic_x ? logarithmic_scale(xs) : linear_scale(*first_x, *last_x);
  const ChartScale y = linear_scale(least_y, most_y);

  std::string svg = fmt::format(
      "<figure><svg viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" role=\"img\" "
      "aria-label=\"{2}\">\n<text class=\"title\" x=\"0\" y=\"14\">{3}</text>\n",
      kWidth, kHeight, escape_html(chart.title), escape_html(chart.y_axis));
  svg += axes(chart, x, y);
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const double dodge =
        kDodge * (static_cast<double>(s) - static_cast<double>(chart.series.size() - 1) / 2);
    std::string line, marks;
    for (const auto& point : chart.series[s].points) {
      if (!can_be_drawn(chart, point)) continue;
      const double at_y = y_of(y, point.y);
      double at_x = x_of(x, point.x);
      if (std::isfinite(point.low) && std::isfinite(point.high)) {
        at_x += dodge;
        marks += fmt::format("<path class=\"line l{}\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>",
                             s % kChartColors, at_x, y_of(y, point.low), y_of(y, point.high));
      }
      line += fmt::format("{}{:.1f} {:.1f}", line.empty() ? "M" : "L", at_x, at_y);
      if (chart.markers) marks += marker(s, at_x, at_y);
      if (!point.label.empty()) {
        marks += fmt::format("<text class=\"note\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", at_x + 7,
                             at_y - 6, escape_html(point.label));
      }
    }
    svg += fmt::format("<path {} d=\"{}\"/>{}\n", stroke_of(s), line, marks);
  }
  return svg + "</svg>" + key_of(chart) + "</figure>\n";
}

std::string interval_chart(const std::string& title, const std::string& x_axis,
                           const std::vector<IntervalRow>& rows) {
  double most = 0;
  for (const auto& row : rows) most = std::max({most, row.mean, row.high});
  const ChartScale scale = linear_scale(0, most);
  const double width = kLabelWidth + 430, plot_width = 400, top = 8;
  const double bottom = top + kRowHeight * static_cast<double>(rows.size());
  const auto at = [&](double value) { return kLabelWidth + plot_width * scale.share_of(value); };
  std::string svg = fmt::format(
      "<figure><svg viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" role=\"img\" "
      "aria-label=\"{2}\">\n",
      width, bottom + 40, escape_html(title));
  for (const double tick : scale.ticks) {
    svg += fmt::format(
        "<path class=\"grid\" d=\"M{0:.1f} {1:.0f}V{2:.0f}\"/><text class=\"label soft\" "
        "x=\"{0:.1f}\" y=\"{3:.0f}\">{4}</text>\n",
        at(tick), top, bottom, bottom + 16, tick_words(tick));
  }
  svg += fmt::format("<text class=\"label soft\" x=\"{:.1f}\" y=\"{:.0f}\">{}</text>\n",
                     kLabelWidth + plot_width / 2, bottom + 33, escape_html(x_axis));
  for (size_t i = 0; i < rows.size(); ++i) {
    const double y = top + kRowHeight * (static_cast<double>(i) + 0.5);
    const char* strong = rows[i].strong ? " strong" : "";
    const int color = rows[i].strong ? 1 : 0;
    svg += fmt::format(
        "<text class=\"tick row{}\" x=\"{:.0f}\" y=\"{:.1f}\">{}</text>"
        "<path class=\"line l{}{}\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>{}\n",
        strong, kLabelWidth - 12, y + 4, escape_html(rows[i].label), color, strong, at(rows[i].low),
        y, at(rows[i].high), marker(static_cast<size_t>(color), at(rows[i].mean), y));
  }
  return svg + "</svg></figure>\n";
}

}  // namespace tutti::launch
