#include <fmt/format.h>

#include "launch/line_chart.h"
#include "launch/progress.h"
#include "launch/report/sections.h"

namespace tutti::launch {
namespace {

constexpr int64_t kMostPoints = 200;  // of a curve

enum class XAxis { kSteps, kSeconds };

template <typename Point>
double x_of(const Point& point, XAxis axis) {
  return axis == XAxis::kSteps ? static_cast<double>(point.step) : point.seconds;
}

const char* words_of(XAxis axis) {
  return axis == XAxis::kSteps ? "steps" : "seconds of steps and validations";
}

std::string loss_chart(const std::vector<RunLog>& runs, XAxis axis) {
  LineChart chart{.title = fmt::format("Loss against {}", words_of(axis)),
                  .x_axis = words_of(axis),
                  .y_axis = "training loss, nats",
                  .y_from_zero = false,
                  .markers = false};
  for (const auto& run : runs) {
    LineSeries series{run.name, {}};
    for (const auto& step : thinned(run.steps, kMostPoints)) {
      series.points.push_back({x_of(step, axis), step.loss});
    }
    chart.series.push_back(std::move(series));
  }
  return line_chart(chart);
}

// One run: titles of both kinds apart; several: a line a run.
std::string hits_chart(const std::vector<RunLog>& runs, XAxis axis) {
  LineChart chart{.title = fmt::format("Validation hits@10 against {}", words_of(axis)),
                  .x_axis = words_of(axis),
                  .y_axis = "validation hits@10"};
  const auto add = [&](const std::string& name, const RunLog& run,
                       double LoggedValidation::*value) {
    LineSeries series{name, {}};
    for (const auto& validation : run.validations) {
      series.points.push_back({x_of(validation, axis), validation.*value});
    }
    chart.series.push_back(std::move(series));
  };
  for (const auto& run : runs) {
    if (!run.validations.empty() || runs.size() > 1) {
      add(runs.size() == 1 ? "all titles" : run.name, run, &LoggedValidation::hits);
    }
  }
  if (runs.size() == 1) {
    add("seen titles", runs.front(), &LoggedValidation::seen_hits);
    add("unseen titles", runs.front(), &LoggedValidation::unseen_hits);
  }
  return line_chart(chart);
}

const LoggedValidation* best_validation(const RunLog& run) {
  const LoggedValidation* best = nullptr;
  for (const auto& validation : run.validations) {
    if (!best || validation.hits > best->hits) best = &validation;
  }
  return best;
}

}  // namespace

ReportSection learning_section(const std::vector<RunLog>& runs) {
  ReportSection section{.title = "Learning", .parts = {}};
  if (runs.empty()) return section;
  HtmlTable table{.rows = {{"run", "parameters", "steps", "time", "loss at the end",
                            "best validation hits@10", "at step"}}};
  bool has_validations = false;
  for (const auto& run : runs) {
    const auto curve = thinned(run.steps, kMostPoints);
    const auto* best = best_validation(run);
    has_validations = has_validations || best != nullptr;
    table.rows.push_back({run.name, run.num_parameters > 0 ? count_words(run.num_parameters) : "",
                          run.steps.empty() ? "0" : count_words(run.steps.back().step),
                          run.steps.empty() ? "" : duration_words(run.steps.back().seconds),
                          curve.empty() ? "" : fmt::format("{:.3f}", curve.back().loss),
                          best ? fmt::format("{:.3f}", best->hits) : "",
                          best ? count_words(best->step) : ""});
  }
  section.parts.emplace_back(ReportTable{"", std::move(table)});
  section.parts.emplace_back(ReportText{fmt::format(
      "Loss: nats a pair (or a playlist, as weighted), means over shares of the log, {} at most. "
      "Seconds: of rank 0's steps and validations; checkpoints are not counted.",
      kMostPoints)});
  section.parts.emplace_back(
      ReportCharts{"", {loss_chart(runs, XAxis::kSteps), loss_chart(runs, XAxis::kSeconds)}});
  if (has_validations) {
    section.parts.emplace_back(
        ReportCharts{"", {hits_chart(runs, XAxis::kSteps), hits_chart(runs, XAxis::kSeconds)}});
  }
  return section;
}

CsvFile learning_csv(const std::vector<RunLog>& runs) {
  CsvFile csv{"learning.csv", {{"run", "step", "seconds", "loss", "validation_hits_at_10"}}};
  for (const auto& run : runs) {
    auto validation = run.validations.begin();
    for (const auto& step : run.steps) {
      std::string hits;
      if (validation != run.validations.end() && validation->step == step.step) {
        hits = fmt::format("{}", validation->hits);
        ++validation;
      }
      csv.rows.push_back({run.name, std::to_string(step.step), fmt::format("{:.3f}", step.seconds),
                          fmt::format("{}", step.loss), hits});
    }
  }
  return csv;
}

}  // namespace tutti::launch
