#pragma once

#include <string>
#include <string_view>
#include <vector>

// Plots as inline SVG for self-contained HTML pages. Colours are CSS variables of the page
// (--ink, --grid, --series-0, --series-1), so that a plot follows its light, dark or printed form.
namespace tutti::launch {

struct BarSeries {
  std::string name;
  std::vector<double> values;         // one a label; not finite: no bar
  std::vector<std::string> captions;  // above the bars
};

// Bars by label, the series side by side. `title` also tells screen readers what is shown.
std::string bar_chart(const std::string& title, const std::string& y_axis,
                      const std::vector<std::string>& labels, const std::vector<BarSeries>& series);

// A square table of values from 0 on, shaded by their share of the largest one off the diagonal.
std::string heat_table(const std::string& title, const std::vector<std::string>& labels,
                       const std::vector<double>& values);

std::string escape_html(std::string_view text);

}  // namespace tutti::launch
