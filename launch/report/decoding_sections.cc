#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "launch/line_chart.h"
#include "launch/report/sections.h"

namespace tutti::launch {
namespace {

// How a file's lists were found. Files of plain beams do not name groups and penalty.
struct Decoding {
  double beam = 0, groups = 1, penalty = 0;
};

double option_of(const Scores& scores, const char* key, double otherwise) {
  const auto found = scores.options.find(key);
  return found != scores.options.end() && found->is_number() ? found->get<double>() : otherwise;
}

Decoding decoding_of(const Scores& scores) {
  return {option_of(scores, "beam", 0), option_of(scores, "groups", 1),
          option_of(scores, "diversity", 0)};
}

// Files that asked the same of the same checkpoint as the first.
std::vector<const Scores*> same_question(const std::vector<Scores>& all) {
  std::vector<const Scores*> same;
  const auto question_of = [](const Scores& scores) {
    return std::tuple(scores.checkpoint_hash, scores.k, scores.options.value("split", ""),
                      option_of(scores, "max_queries", 0), option_of(scores, "seed", 0));
  };
  for (const auto& scores : all) {
    if (!scores.checkpoint_hash.empty() && question_of(scores) == question_of(all.front())) {
      same.push_back(&scores);
    }
  }
  return same;
}

const ScoredBlock* block_named(const Scores& scores, const std::string& name) {
  const auto found = std::find_if(scores.blocks.begin(), scores.blocks.end(),
                                  [&name](const auto& block) { return block.name == name; });
  return found == scores.blocks.end() || found->empty() ? nullptr : &*found;
}

// The evaluated system's points over the files, a series a block; `x_of` may say NaN: no point.
template <typename X>
LineChart sweep_chart(const std::vector<const Scores*>& files, X x_of) {
  LineChart chart;
  const Scores& first = *files.front();
  chart.y_axis = first.headline();
  for (const auto& block : first.blocks) {
    LineSeries series{block.name, {}};
    for (const Scores* scores : files) {
      const ScoredBlock* same = block_named(*scores, block.name);
      if (!same) continue;
      const auto& hits = *same->subject().metric(first.headline());
      series.points.push_back({x_of(*scores, *same), hits.mean, hits.low, hits.high});
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

std::string beam_chart(std::vector<const Scores*> files) {
  const Decoding first = decoding_of(*files.front());
  std::erase_if(files, [&first](const Scores* scores) {
    const Decoding one = decoding_of(*scores);
    return one.groups != first.groups || one.penalty != first.penalty;
  });
  std::sort(files.begin(), files.end(), [](const Scores* a, const Scores* b) {
    return decoding_of(*a).beam < decoding_of(*b).beam;
  });
  if (decoding_of(*files.front()).beam == decoding_of(*files.back()).beam) return "";
  LineChart chart = sweep_chart(
      files, [](const Scores& scores, const ScoredBlock&) { return decoding_of(scores).beam; });
  chart.title = "Hits against beam width";
  chart.x_axis = "beam width";
  chart.logarithmic_x = true;
  return line_chart(chart);
}

std::vector<std::string> penalty_charts(std::vector<const Scores*> files) {
  const double beam = decoding_of(*files.front()).beam;
  std::erase_if(files, [beam](const Scores* scores) { return decoding_of(*scores).beam != beam; });
  std::stable_sort(files.begin(), files.end(), [](const Scores* a, const Scores* b) {
    return decoding_of(*a).penalty < decoding_of(*b).penalty;
  });
  if (decoding_of(*files.front()).penalty == decoding_of(*files.back()).penalty) return {};
  LineChart penalty = sweep_chart(
      files, [](const Scores& scores, const ScoredBlock&) { return decoding_of(scores).penalty; });
  penalty.title = "Hits against the diversity penalty";
  penalty.x_axis = "diversity penalty";

  const std::string metric = fmt::format("distinct_artists@{}", files.front()->k);
  LineChart artists = sweep_chart(files, [&metric](const Scores&, const ScoredBlock& block) {
    const auto* distinct = block.subject().metric(metric);
    return distinct ? distinct->mean : std::numeric_limits<double>::quiet_NaN();
  });
  artists.title = "Hits against distinct artists";
  artists.x_axis = metric + "; the penalty beside each point";
  artists.y_from_zero = false;
  for (auto& series : artists.series) {
    for (size_t i = 0; i < series.points.size(); ++i) {
      series.points[i].label = fmt::format("{:g}", penalty.series.front().points[i].x);
      series.points[i].low = series.points[i].high = std::numeric_limits<double>::quiet_NaN();
    }
  }
  return {line_chart(penalty), line_chart(artists)};
}

}  // namespace

ReportSection evaluations_section(const ReportInputs& inputs) {
  ReportSection section{.title = "All evaluations", .parts = {}};
  if (inputs.scores.size() < 2) return section;
  HtmlTable table{.rows = {{"file", "checkpoint", "step", "beam", "groups", "penalty", "queries",
                            "system", inputs.scores.front().headline(), "best baseline"}}};
  for (const auto& scores : inputs.scores) {
    const Decoding decoding = decoding_of(scores);
    for (const auto& block : scores.blocks) {
      if (block.empty()) continue;
      const auto* baseline = block.best_baseline(scores.headline());
      table.rows.push_back(
          {scores.file, scores.checkpoint_hash.substr(0, 12),
           scores.checkpoint_hash.empty() ? "" : std::to_string(scores.step),
           fmt::format("{:g}", decoding.beam), fmt::format("{:g}", decoding.groups),
           fmt::format("{:g}", decoding.penalty), block.name, block.subject().name,
           interval_words(*block.subject().metric(scores.headline())),
           baseline
               ? fmt::format("{:.3f} {}", baseline->metric(scores.headline())->mean, baseline->name)
               : ""});
    }
  }
  section.parts.emplace_back(ReportText{
      fmt::format("{} is told in full above; here are all files.", inputs.scores.front().file)});
  section.parts.emplace_back(ReportTable{"", std::move(table)});
  return section;
}

ReportSection decoding_section(const ReportInputs& inputs) {
  ReportSection section{.title = "Decoding", .parts = {}};
  if (inputs.scores.empty()) return section;
  const auto files = same_question(inputs.scores);
  if (files.size() < 2) return section;
  ReportCharts charts{"", {beam_chart(files)}};
  for (auto& chart : penalty_charts(files)) charts.charts.push_back(std::move(chart));
  std::erase(charts.charts, "");
  if (charts.charts.empty()) return section;
  section.parts.emplace_back(
      ReportText{"The same checkpoint, asked the same, decoded in other ways."});
  section.parts.emplace_back(std::move(charts));
  return section;
}

}  // namespace tutti::launch
