#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

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

// The most files with one key, the earlier of equals; in their order.
template <typename Key>
std::vector<const Scores*> most_alike(const std::vector<const Scores*>& files, Key key_of) {
  std::vector<std::vector<const Scores*>> groups;
  for (const Scores* scores : files) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return key_of(*group.front()) == key_of(*scores);
    });
    if (found == groups.end()) {
      groups.push_back({scores});
    } else {
      found->push_back(scores);
    }
  }
  const auto most =
      std::max_element(groups.begin(), groups.end(),
                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
  return most == groups.end() ? std::vector<const Scores*>() : *most;
}

// Files that asked the same of the checkpoint of the first: those of a sweep, say, beside an
// evaluation of the test part.
std::vector<const Scores*> same_question(const std::vector<Scores>& all) {
  std::vector<const Scores*> of_checkpoint;
  for (const auto& scores : all) {
    if (!scores.checkpoint_hash.empty() && scores.checkpoint_hash == all.front().checkpoint_hash)
      of_checkpoint.push_back(&scores);
  }
  return most_alike(of_checkpoint, [](const Scores& scores) {
    return std::tuple(scores.k, scores.options.value("split", ""),
                      scores.options.value("prompts", ""), option_of(scores, "max_queries", 0),
                      option_of(scores, "seed", 0));
  });
}

const ScoredBlock* block_named(const Scores& scores, const std::string& name) {
  const auto found = std::find_if(scores.blocks.begin(), scores.blocks.end(),
                                  [&name](const auto& block) { return block.name == name; });
  return found == scores.blocks.end() || found->empty() ? nullptr : &*found;
}

// The evaluated system's points over the files, a series a block; `place` fills in a point's x and
// label, NaN: no point.
template <typename Place>
LineChart sweep_chart(const std::vector<const Scores*>& files, Place place) {
  LineChart chart;
  const Scores& first = *files.front();
  chart.y_axis = first.headline();
  for (const auto& block : first.blocks) {
    LineSeries series{block.name, {}};
    for (const Scores* scores : files) {
      const ScoredBlock* same = block_named(*scores, block.name);
      if (!same) continue;
      const auto& hits = *same->subject().metric(first.headline());
      LinePoint point{0, hits.mean, hits.low, hits.high};
      place(*scores, *same, point);
      series.points.push_back(std::move(point));
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

std::string beam_chart(std::vector<const Scores*> files) {
  files = most_alike(files, [](const Scores& scores) {
    return std::pair(decoding_of(scores).groups, decoding_of(scores).penalty);
  });
  std::sort(files.begin(), files.end(), [](const Scores* a, const Scores* b) {
    return decoding_of(*a).beam < decoding_of(*b).beam;
  });
  if (decoding_of(*files.front()).beam == decoding_of(*files.back()).beam) return "";
  LineChart chart =
      sweep_chart(files, [](const Scores& scores, const ScoredBlock&, LinePoint& point) {
        point.x = decoding_of(scores).beam;
      });
  chart.title = "Hits against beam width";
  chart.x_axis = "beam width";
  chart.logarithmic_x = true;
  return line_chart(chart);
}

// A line a block and number of groups, so that a line joins settings that differ in one thing;
// ordinary beams are a point of their own.
template <typename Place>
LineChart penalty_chart(const std::vector<const Scores*>& files, Place place) {
  std::set<double> numbers_of_groups;
  for (const Scores* scores : files) numbers_of_groups.insert(decoding_of(*scores).groups);
  LineChart chart;
  for (const double groups : numbers_of_groups) {
    std::vector<const Scores*> some = files;
    std::erase_if(some, [&](const Scores* s) { return decoding_of(*s).groups != groups; });
    LineChart part = sweep_chart(some, place);
    chart.y_axis = part.y_axis;
    for (LineSeries& series : part.series) {
      series.name += groups == 1 ? ", ordinary beams" : fmt::format(", {:g} groups", groups);
      chart.series.push_back(std::move(series));
    }
  }
  return chart;
}

std::vector<std::string> penalty_charts(std::vector<const Scores*> files) {
  files = most_alike(files, [](const Scores& scores) { return decoding_of(scores).beam; });
  std::stable_sort(files.begin(), files.end(), [](const Scores* a, const Scores* b) {
    return decoding_of(*a).penalty < decoding_of(*b).penalty;
  });
  if (decoding_of(*files.front()).penalty == decoding_of(*files.back()).penalty) return {};
  LineChart penalty =
      penalty_chart(files, [](const Scores& scores, const ScoredBlock&, LinePoint& point) {
        point.x = decoding_of(scores).penalty;
      });
  penalty.title = "Hits against the diversity penalty";
  penalty.x_axis = "diversity penalty";

  const std::string metric = fmt::format("distinct_artists@{}", files.front()->k);
  LineChart artists =
      penalty_chart(files, [&](const Scores& scores, const ScoredBlock& block, LinePoint& point) {
        const auto* distinct = block.subject().metric(metric);
        point.x = distinct ? distinct->mean : std::numeric_limits<double>::quiet_NaN();
        if (decoding_of(scores).groups > 1)
          point.label = fmt::format("{:g}", decoding_of(scores).penalty);
        point.low = point.high = std::numeric_limits<double>::quiet_NaN();
      });
  artists.title = "Hits against distinct artists";
  artists.x_axis = metric + "; the penalty beside each point";
  artists.y_from_zero = false;
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
  section.parts.emplace_back(ReportText{
      fmt::format("The same checkpoint, asked the same ({} part), decoded in other ways.",
                  files.front()->options.value("split", "?"))});
  section.parts.emplace_back(std::move(charts));
  return section;
}

}  // namespace tutti::launch
