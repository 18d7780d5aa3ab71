#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Plots as inline SVG for self-contained HTML pages. Colours are CSS variables of the page
// (html_page.h), so that a plot follows its light, dark or printed form.
namespace tutti::launch {

constexpr size_t kChartColors = 12;  // further series start again with the first

struct BarSeries {
  std::string name;
  std::vector<double> values;                             // one a label; not finite: no bar
  std::vector<std::string> captions;                      // above the bars; empty: none
  std::vector<std::pair<double, double>> intervals = {};  // low, high; empty: none
};

// Bars by label, the series side by side. `title` also tells screen readers what is shown.
std::string bar_chart(const std::string& title, const std::string& y_axis,
                      const std::vector<std::string>& labels, const std::vector<BarSeries>& series);

// A square table of values from 0 on, shaded by their share of the largest one off the diagonal.
std::string heat_table(const std::string& title, const std::vector<std::string>& labels,
                       const std::vector<double>& values);

std::string escape_html(std::string_view text);

}  // namespace tutti::launch
