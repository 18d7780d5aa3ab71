#include "launch/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "launch/chart_scale.h"

namespace tutti::launch {
namespace {

constexpr double kTitleChar =
    7;  // of the font, at the most, so that the axis' words fit above few bars
constexpr double kHeight = 250, kLeft = 52, kTop = 34, kBottom = 40;
constexpr double kSlotWidth = 100, kSlotGap = 28;
constexpr double kNarrowBar = 13;  // at least, with room for an interval

std::string legend(const std::vector<BarSeries>& series) {
  if (series.size() < 2) return "";
  std::string text = "<figcaption class=\"legend\">";
  for (size_t s = 0; s < series.size(); ++s) {
    text += fmt::format("<span><i class=\"s{}\"></i>{}</span>", s % kChartColors,
                        escape_html(series[s].name));
  }
  return text + "</figcaption>";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string bar_chart(const std::string& title, const std::string& y_axis,
                      const std::vector<std::string>& labels,
                      const std::vector<BarSeries>& series) {
  double most = 0;
  for (const auto& one : series) {
    for (const double value : one.values) most = std::max(most, std::isfinite(value) ? value : 0);
    for (const auto& [low, high] : one.intervals) most = std::max(most, high);
  }
  if (most <= 0) most = 1;
  const double step = tick_step(most), top = step * std::ceil(most / step);
  const double plot_height = kHeight - kTop - kBottom;
  const double slot_width =
      std::max(kSlotWidth, kNarrowBar * static_cast<double>(series.size()) + kSlotGap);
  const double bars_width = slot_width - kSlotGap;
  const double bars_end = kLeft + slot_width * static_cast<double>(labels.size()) + 10;
  const double width = std::max(bars_end, kTitleChar * static_cast<double>(y_axis.size()));
  const auto y_of = [&](double value) { return kTop + plot_height * (1 - value / top); };

  std::string svg = fmt::format(
      "<figure><svg viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" role=\"img\" "
      "aria-label=\"{}\">\n<text class=\"title\" x=\"0\" y=\"14\">{}</text>\n",
      width, kHeight, width, escape_html(title), escape_html(y_axis));
  for (int i = 0; step * i <= top * 1.0001; ++i) {
    const double y = y_of(step * i);
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{:.0f}\" x2=\"{:.0f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text class=\"tick\" x=\"{:.0f}\" y=\"{:.1f}\">{:g}</text>\n",
        kLeft, width, y, y, kLeft - 6, y + 4, step * i);
  }
  const double bar = bars_width / static_cast<double>(series.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    const double slot = kLeft + slot_width * (static_cast<double>(i) + 0.5);
    for (size_t s = 0; s < series.size(); ++s) {
      const double value = series[s].values[i];
      if (!std::isfinite(value)) continue;
      const double x = slot - bars_width / 2 + bar * static_cast<double>(s), y = y_of(value);
      svg += fmt::format(
          "<rect class=\"s{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
          s % kChartColors, x, y, bar - 2, kHeight - kBottom - y);
      const double middle = x + bar / 2 - 1;
      if (i < series[s].intervals.size()) {
        const auto& [low, high] = series[s].intervals[i];
        svg += fmt::format("<path class=\"whisker\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>", middle,
                           y_of(low), y_of(high));
      }
      if (i < series[s].captions.size()) {
        svg += fmt::format("<text class=\"value\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", middle,
                           y - 4, escape_html(series[s].captions[i]));
      }
    }
    svg += fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.0f}\">{}</text>\n", slot,
                       kHeight - kBottom + 18, escape_html(labels[i]));
  }
  return svg + "</svg>" + legend(series) + "</figure>\n";
}

std::string heat_table(const std::string& title, const std::vector<std::string>& labels,
                       const std::vector<double>& values) {
  const size_t n = labels.size();
  double most = 0;
  for (size_t i = 0; i < n * n; ++i) {
    if (i / n != i % n) most = std::max(most, values[i]);
  }
  std::string html =
      fmt::format("<table class=\"heat\"><caption>{}</caption><tr><th></th>", escape_html(title));
  for (const auto& label : labels) html += fmt::format("<th>{}</th>", escape_html(label));
  html += "</tr>\n";
  for (size_t row = 0; row < n; ++row) {
    html += fmt::format("<tr><th>{}</th>", escape_html(labels[row]));
    for (size_t column = 0; column < n; ++column) {
      const double value = values[row * n + column];
      const double share = row == column || most <= 0 ? 0 : value / most;
      html += fmt::format("<td style=\"--share:{:.0f}%\"{}>{:.2f}</td>", 60 * share,
                          row == column ? " class=\"own\"" : "", value);
    }
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

}  // namespace tutti::launch
