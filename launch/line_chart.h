#pragma once

#include <limits>
#include <string>
#include <vector>

#include "launch/chart_scale.h"

// Plots as inline SVG, like svg_chart.h. Series differ by colour, dash and marker, so that a plot
// is legible without colours too.
namespace tutti::launch {

struct LinePoint {
  double x = 0, y = 0;
  // An interval around y; not finite: none.
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
  std::string label = {};  // beside the point
};

struct LineSeries {
  std::string name;
  std::vector<LinePoint> points;  // in the order that the line joins them
};

struct LineChart {
  std::string title;  // also for screen readers
  std::string x_axis, y_axis;
  bool logarithmic_x = false;  // with the points' x as ticks
  bool y_from_zero = true;
  bool markers = true;  // not for lines of hundreds of points
  std::vector<LineSeries> series = {};
};

// Points that are not finite (or not above 0 on a logarithmic axis) are left out. A chart without a
// point is an empty string.
std::string line_chart(const LineChart& chart);

struct IntervalRow {
  std::string label;
  double mean = 0, low = 0, high = 0;
  bool strong = false;  // the row that the reader should see first
};

// Means with their intervals, a row below the other, on an axis from 0.
std::string interval_chart(const std::string& title, const std::string& x_axis,
                           const std::vector<IntervalRow>& rows);

}  // namespace tutti::launch
