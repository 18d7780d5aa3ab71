#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "launch/line_chart.h"
#include "launch/progress.h"
#include "launch/report/sections.h"
#include "launch/svg_chart.h"

namespace tutti::launch {
namespace {

constexpr double kLevel = 0.05;

std::string queries_words(const ScoredBlock& block) {
  std::string text = fmt::format("{} queries", count_words(block.num_queries));
  if (block.num_queries < block.num_candidates) {
    text += fmt::format(" drawn from {}", count_words(block.num_candidates));
  }
  return text +
         fmt::format(", {} distinct titles: {}.", count_words(block.num_titles), block.meaning);
}

// Who finds more on the block, by how much, and how sure that is. Empty without a baseline.
std::string verdict_on(const ScoredBlock& block, const std::string& headline) {
  const ScoredSystem* baseline = block.empty() ? nullptr : block.best_baseline(headline);
  if (!baseline) return "";
  const ScoredSystem& subject = block.subject();
  const ScoredMetric &ours = *subject.metric(headline), &theirs = *baseline->metric(headline);
  const bool baseline_wins = theirs.mean > ours.mean;
  // The better of the two is the block's best row, so that the other one's p-value is theirs.
  const double p = (baseline_wins ? subject : *baseline).corrected_p_value;
  const std::string ratio = block.ratio ? fmt::format("{:.2f} [{:.2f}, {:.2f}]", block.ratio->mean,
                                                      block.ratio->low, block.ratio->high)
                                        : fmt::format("{:.2f}", ours.mean / theirs.mean);
  return fmt::format(
      "{}: {}. {} of {} {}, of {} {}; ratio {}{}.", block.name,
      baseline_wins ? "a baseline wins" : fmt::format("{} finds most", subject.name), headline,
      subject.name, interval_words(ours), baseline->name, interval_words(theirs), ratio,
      p >= kLevel ? fmt::format(", which cannot be told from chance (p {:.2f}, corrected)", p)
                  : "");
}

std::string against_words(const ScoredBlock& block, size_t row) {
  if (std::cmp_equal(row, block.best)) return "best";
  const auto& system = block.systems[row];
  if (system.is_oracle) return "oracle";
  return fmt::format("{:+.3f} [{:+.3f}, {:+.3f}]", system.against_best.mean,
                     system.against_best.low, system.against_best.high);
}

HtmlTable systems_table(const ScoredBlock& block, const Scores& scores) {
  const std::vector<std::string> columns = {fmt::format("hit_rate@{}", scores.k),
                                            fmt::format("recall@{}", scores.k),
                                            fmt::format("ndcg@{}", scores.k)};
  std::vector<std::string> measured;
  for (const auto& name : columns) {
    if (block.subject().metric(name)) measured.push_back(name);
  }
  HtmlTable table{.rows = {{"", scores.headline(), "95 %", "minus the best", "p", "effect"}}};
  table.rows[0].insert(table.rows[0].end(), measured.begin(), measured.end());
  for (size_t i = 0; i < block.systems.size(); ++i) {
    const auto& system = block.systems[i];
    const bool is_best = std::cmp_equal(i, block.best) || system.is_oracle;
    const auto& hits = *system.metric(scores.headline());
    table.rows.push_back({system.name, fmt::format("{:.3f}", hits.mean),
                          fmt::format("[{:.3f}, {:.3f}]", hits.low, hits.high),
                          against_words(block, i),
                          is_best ? "" : fmt::format("{:.3f}", system.corrected_p_value),
                          is_best ? "" : fmt::format("{:+.2f}", system.effect_size)});
    for (const auto& name : measured) {
      const auto* metric = system.metric(name);
      table.rows.back().push_back(metric ? fmt::format("{:.4f}", metric->mean) : "");
    }
    if (std::cmp_equal(i, block.best)) table.strong.push_back(i + 1);
  }
  return table;
}

// What the lists are like beside being right, and what they cost. Without rows: nothing was
// measured.
HtmlTable lists_table(const ScoredBlock& block, const Scores& scores) {
  const std::vector<std::string> columns = {
      fmt::format("distinct_artists@{}", scores.k), fmt::format("popularity@{}", scores.k),
      fmt::format("tail_share@{}", scores.k), fmt::format("list_distance@{}", scores.k)};
  std::vector<std::string> measured;
  for (const auto& name : columns) {
    if (block.subject().metric(name)) measured.push_back(name);
  }
  const auto& systems = block.systems;
  const bool has_use = std::any_of(systems.begin(), systems.end(),
                                   [](const ScoredSystem& s) { return s.coverage >= 0; });
  if (measured.empty() && !has_use) return {};
  HtmlTable table{.rows = {{""}}};
  table.rows[0].insert(table.rows[0].end(), measured.begin(), measured.end());
  if (has_use) table.rows[0].insert(table.rows[0].end(), {"coverage", "Gini"});
  table.rows[0].emplace_back("titles/s");
  for (const auto& system : systems) {
    std::vector<std::string> row = {system.name};
    for (const auto& name : measured) {
      const auto* metric = system.metric(name);
      row.push_back(metric ? fmt::format("{:.3f}", metric->mean) : "");
    }
    if (has_use) {
      row.push_back(system.coverage < 0 ? "" : fmt::format("{:.4f}", system.coverage));
      row.push_back(system.gini < 0 ? "" : fmt::format("{:.3f}", system.gini));
    }
    row.push_back(system.titles_per_second > 0 ? count_words(std::llround(system.titles_per_second))
                                               : "");
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string systems_chart(const ScoredBlock& block, const Scores& scores) {
  std::vector<IntervalRow> rows;
  for (size_t i = 0; i < block.systems.size(); ++i) {
    const auto& hits = *block.systems[i].metric(scores.headline());
    rows.push_back(
        {block.systems[i].name, hits.mean, hits.low, hits.high, std::cmp_equal(i, block.best)});
  }
  return interval_chart(fmt::format("{} on {}", scores.headline(), block.name),
                        scores.headline() + ", mean and 95 % interval", rows);
}

// The cutoffs at which hits@k was measured, ascending.
std::vector<int> cutoffs_of(const ScoredSystem& system) {
  std::vector<int> cutoffs;
  for (const auto& [name, metric] : system.metrics) {
    constexpr std::string_view kPrefix = "hits@";
    if (name.starts_with(kPrefix)) cutoffs.push_back(std::atoi(name.c_str() + kPrefix.size()));
  }
  std::sort(cutoffs.begin(), cutoffs.end());
  return cutoffs;
}

// Which tracks the hits are, by their popularity: they add up to the headline. Empty where that was
// not measured.
std::string popularity_chart(const ScoredBlock& block, const Scores& scores) {
  constexpr std::array<std::pair<const char*, const char*>, 3> kStrata = {
      {{"hits_head", "head (top 1 %)"}, {"hits_torso", "torso (to 20 %)"}, {"hits_tail", "tail"}}};
  std::vector<std::string> labels;
  std::vector<BarSeries> series;
  for (const auto& system : block.systems) series.push_back({system.name, {}, {}});
  for (const auto& [metric, label] : kStrata) {
    labels.emplace_back(label);
    for (size_t s = 0; s < series.size(); ++s) {
      const auto* hits = block.systems[s].metric(fmt::format("{}@{}", metric, scores.k));
      if (hits == nullptr) return "";
      series[s].values.push_back(hits->mean);
      series[s].intervals.emplace_back(hits->low, hits->high);
    }
  }
  return bar_chart(
      fmt::format("{} by popularity of the track on {}", scores.headline(), block.name),
      fmt::format("{} by popularity of the track", scores.headline()), labels, series);
}

}  // namespace

std::string interval_words(const ScoredMetric& metric) {
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", metric.mean, metric.low, metric.high);
}

ReportSection verdict_section(const ReportInputs& inputs) {
  ReportSection section{.title = "", .parts = {}, .is_lead = true};
  if (inputs.scores.empty()) return section;
  const Scores& scores = inputs.scores.front();
  ReportText verdict{.text = "No baseline finds more than what is evaluated."};
  std::vector<std::string> lost, won;
  for (const auto& block : scores.blocks) {
    const std::string words = verdict_on(block, scores.headline());
    if (words.empty()) continue;
    const bool baseline_wins = block.best_baseline(scores.headline()) == &block.best_system();
    (baseline_wins ? lost : won).push_back(words);
  }
  if (lost.empty() && won.empty()) {
    verdict.text = "Nothing to compare: no block has queries and a baseline.";
  } else if (!lost.empty()) {
    verdict.text = fmt::format("A baseline finds more on {} of {} sets of queries:", lost.size(),
                               lost.size() + won.size());
  }
  verdict.items = lost;
  verdict.items.insert(verdict.items.end(), won.begin(), won.end());
  section.parts.emplace_back(std::move(verdict));
  for (const auto& line : scores.heading) section.parts.emplace_back(ReportText{line});
  return section;
}

ReportSection systems_section(const Scores& scores) {
  ReportSection section{.title = "Systems", .parts = {}};
  section.parts.emplace_back(ReportText{
      "Means over queries. Intervals: 1,000 resamples of titles. p: paired with the best row over "
      "the same resamples, corrected for the number of rows (Holm); effect: mean difference over "
      "its standard deviation. Every metric is in systems.csv."});
  for (const auto& block : scores.blocks) {
    section.parts.emplace_back(ReportTable{
        block.name, block.empty() ? HtmlTable{{{"no queries"}}} : systems_table(block, scores)});
    if (block.empty()) continue;
    section.parts.emplace_back(ReportText{queries_words(block)});
    section.parts.emplace_back(ReportCharts{"", {systems_chart(block, scores)}});
    if (HtmlTable lists = lists_table(block, scores); !lists.rows.empty()) {
      section.parts.emplace_back(
          ReportTable{fmt::format("The lists on {}", block.name), std::move(lists)});
    }
  }
  if (!scores.notes.empty()) section.parts.emplace_back(ReportText{"Notes", scores.notes});
  return section;
}

ReportSection cutoffs_section(const Scores& scores) {
  ReportSection section{.title = "Hits by length of the list", .parts = {}};
  ReportCharts charts;
  for (const auto& block : scores.blocks) {
    if (block.empty()) continue;
    LineChart chart{.title = fmt::format("hits@k on {}", block.name),
                    .x_axis = "k",
                    .y_axis = fmt::format("hits@k, {}", block.name),
                    .logarithmic_x = true};
    for (const auto& system : block.systems) {
      LineSeries series{system.name, {}};
      for (const int k : cutoffs_of(system)) {
        const auto& metric = *system.metric(fmt::format("hits@{}", k));
        series.points.push_back({static_cast<double>(k), metric.mean, metric.low, metric.high});
      }
      chart.series.push_back(std::move(series));
    }
    charts.charts.push_back(line_chart(chart));
  }
  if (!charts.charts.empty()) section.parts.emplace_back(std::move(charts));
  return section;
}

ReportSection strata_section(const Scores& scores) {
  ReportSection section{.title = "Strata", .parts = {}};
  for (const auto& block : scores.blocks) {
    if (block.empty()) continue;
    ReportCharts charts{block.name, {}};
    if (std::string chart = popularity_chart(block, scores); !chart.empty())
      charts.charts.push_back(std::move(chart));
    for (size_t first = 0; first < block.strata.size();) {
      const std::string by = block.strata[first].by;
      std::vector<std::string> labels;
      std::vector<BarSeries> series;
      for (const auto& system : block.systems) series.push_back({system.name, {}, {}});
      for (; first < block.strata.size() && block.strata[first].by == by; ++first) {
        const auto& stratum = block.strata[first];
        labels.push_back(fmt::format("{} ({})", stratum.name, count_words(stratum.num_queries)));
        for (size_t s = 0; s < series.size(); ++s) {
          const auto& hits = stratum.headline[s];
          series[s].values.push_back(hits.mean);
          series[s].intervals.emplace_back(hits.low, hits.high);
        }
      }
      if (labels.size() < 2) continue;  // all queries: the table has them
      charts.charts.push_back(
          bar_chart(fmt::format("{} by {} on {}", scores.headline(), by, block.name),
                    fmt::format("{} by {} (queries)", scores.headline(), by), labels, series));
    }
    if (!charts.charts.empty()) section.parts.emplace_back(std::move(charts));
  }
  return section;
}

CsvFile strata_csv(const Scores& scores) {
  CsvFile csv{"strata.csv",
              {{"block", "by", "stratum", "queries", "system", "mean", "low", "high"}}};
  for (const auto& block : scores.blocks) {
    for (const auto& stratum : block.strata) {
      for (size_t s = 0; s < block.systems.size(); ++s) {
        const auto& hits = stratum.headline[s];
        csv.rows.push_back({block.name, stratum.by, stratum.name,
                            std::to_string(stratum.num_queries), block.systems[s].name,
                            fmt::format("{}", hits.mean), fmt::format("{}", hits.low),
                            fmt::format("{}", hits.high)});
      }
    }
  }
  return csv;
}

CsvFile systems_csv(const ReportInputs& inputs) {
  CsvFile csv{"systems.csv", {{"file", "block", "system", "metric", "mean", "low", "high"}}};
  for (const auto& scores : inputs.scores) {
    for (const auto& block : scores.blocks) {
      for (const auto& system : block.systems) {
        for (const auto& [name, metric] : system.metrics) {
          csv.rows.push_back({scores.file, block.name, system.name, name,
                              fmt::format("{}", metric.mean), fmt::format("{}", metric.low),
                              fmt::format("{}", metric.high)});
        }
      }
    }
  }
  return csv;
}

}  // namespace tutti::launch
