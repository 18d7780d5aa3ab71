#include "trainer/evaluate/report.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

constexpr int kResamples = 1000;
constexpr double kLevel = 0.05;

std::vector<std::vector<int32_t>> tracks_of(const std::vector<std::vector<Recommendation>>& lists) {
  std::vector<std::vector<int32_t>> tracks(lists.size());
  for (size_t i = 0; i < lists.size(); ++i) {
    for (const Recommendation& r : lists[i]) tracks[i].push_back(r.track);
  }
  return tracks;
}

void format_block(const ReportBlock& block, const Report& report, std::string* text) {
  const auto out = std::back_inserter(*text);
  fmt::format_to(out, "{}: {}\n", block.name, block.meaning);
  if (block.num_queries == 0) {
    fmt::format_to(out, "  no queries\n");
    return;
  }
  fmt::format_to(out, "  {} queries", block.num_queries);
  if (block.num_queries < block.num_candidates) {
    fmt::format_to(out, " drawn from {}", block.num_candidates);
  }
  fmt::format_to(out, ", {} distinct titles\n", block.num_titles);

  const auto column = [&](const char* metric) {
    return report.metrics.column(fmt::format("{}@{}", metric, report.k));
  };
  const int64_t hits = column("hits");
  for (int row = 0; row < std::ssize(block.rows); ++row) {
    const ReportRow& r = block.rows[row];
    const char* mark = r.is_oracle                     ? "o"
                       : row == block.best             ? "*"
                       : r.corrected_p_value >= kLevel ? "="
                                                       : "";
    const std::string interval =
        fmt::format("[{:.3f}, {:.3f}]", r.intervals[hits].low, r.intervals[hits].high);
    fmt::format_to(out, "  {:<36}{:>8.4f}{:<1} {:>16}{:>12.4f}{:>11.4f}{:>9.4f}\n", r.name,
                   r.means[hits], mark, interval, r.means[column("hit_rate")],
                   r.means[column("recall")], r.means[column("ndcg")]);
  }
  if (const auto& to = block.to_baseline) {
    fmt::format_to(out, "  {} / {}: {:.2f} [{:.2f}, {:.2f}]\n", block.rows.back().name,
                   block.rows[to->row].name, to->ratio, to->interval.low, to->interval.high);
  }
}

std::optional<RatioToBaseline> ratio_to_baseline(const std::vector<Evaluation>& systems,
                                                 const std::string& headline,
                                                 const ClusterBootstrap& bootstrap) {
  RatioToBaseline found;
  for (int row = 0; row + 1 < std::ssize(systems); ++row) {
    if (systems[row].is_oracle) continue;
    if (found.row < 0 || systems[row].mean(headline) > systems[found.row].mean(headline))
      found.row = row;
  }
  if (found.row < 0 || systems.back().is_oracle) return std::nullopt;
  const Evaluation& baseline = systems[found.row];
  found.ratio = systems.back().mean(headline) / baseline.mean(headline);
  found.interval =
      bootstrap.interval_of_ratio(systems.back().values_of(headline), baseline.values_of(headline));
  // 0 / 0 without queries
  if (!std::isfinite(found.ratio) || !std::isfinite(found.interval.high)) return std::nullopt;
  return found;
}

}  // namespace

ReportBlock make_block(const QuerySet& queries, std::string meaning,
                       const std::vector<Evaluation>& systems, int k, uint64_t seed,
                       const data::TitleTable* titles) {
  TUTTI_CHECK(!systems.empty());
  ReportBlock block{.name = queries.name,
                    .meaning = std::move(meaning),
                    .num_queries = queries.size(),
                    .num_titles = std::ssize(queries.titles),
                    .num_candidates = queries.num_candidates};
  const std::string headline = fmt::format("hits@{}", k);
  const ClusterBootstrap bootstrap(queries.normalized_of, kResamples, seed);
  for (const Evaluation& system : systems) {
    ReportRow row{.name = system.ranker,
                  .titles_per_second = system.titles_per_second(),
                  .is_oracle = system.is_oracle};
    for (const std::string& metric : system.metrics.names()) {
      row.means.push_back(system.mean(metric));
      row.intervals.push_back(bootstrap.interval_of_mean(system.values_of(metric)));
    }
    if (const TrackFacts* facts = system.metrics.facts(); facts && !system.lists.empty()) {
      row.lists = use_of(tracks_of(system.lists), facts->num_tracks(), k);
    }
    if (!system.is_oracle &&
        (block.best < 0 || system.mean(headline) > systems[block.best].mean(headline))) {
      block.best = static_cast<int>(block.rows.size());
    }
    block.rows.push_back(std::move(row));
  }

  TUTTI_CHECK(block.best >= 0, "a system that is no oracle");
  block.to_baseline = ratio_to_baseline(systems, headline, bootstrap);
  const auto is_compared = [&](size_t row) {
    return static_cast<int>(row) != block.best && !systems[row].is_oracle;
  };
  std::vector<double> p_values;
  const std::vector<double> best_values = systems[block.best].values_of(headline);
  for (size_t row = 0; row < systems.size(); ++row) {
    if (!is_compared(row)) continue;
    block.rows[row].against_best = bootstrap.compare(systems[row].values_of(headline), best_values);
    p_values.push_back(block.rows[row].against_best.p_value);
  }
  const std::vector<double> corrected = holm_corrected(p_values);
  for (size_t row = 0, i = 0; row < systems.size(); ++row) {
    if (is_compared(row)) block.rows[row].corrected_p_value = corrected[i++];
  }
  if (titles == nullptr) return block;
  for (const Stratum& stratum : strata_of(queries, *titles)) {
    block.strata.push_back({.by = stratum.by,
                            .name = stratum.name,
                            .num_queries = std::ssize(stratum.queries),
                            .rows = score_stratum(stratum, queries, systems, headline, seed)});
  }
  return block;
}

std::string format_report(const Report& report) {
  std::string text;
  const auto out = std::back_inserter(text);
  for (const auto& line : report.heading) fmt::format_to(out, "{}\n", line);

  const auto column = [&report](const char* name) { return fmt::format("{}@{}", name, report.k); };
  fmt::format_to(out, "\n{:<38}{:>8}  {:>16}{:>12}{:>11}{:>9}\n", "", column("hits"),
                 "95 % interval", column("hit_rate"), column("recall"), column("nDCG"));
  for (const ReportBlock& block : report.blocks) format_block(block, report, &text);
  fmt::format_to(out,
                 "* best of the block   = not told from it (p >= 0.05, bootstrap over titles, "
                 "Holm)   o oracle\n\n");
  for (const auto& line : report.notes) fmt::format_to(out, "{}\n", line);
  return text;
}

std::string format_beyond_accuracy(const Report& report) {
  const auto column = [&report](const char* name) { return fmt::format("{}@{}", name, report.k); };
  const auto& names = report.metrics.names();
  if (std::find(names.begin(), names.end(), column("distinct_artists")) == names.end()) return "";
  const bool has_distance =
      std::find(names.begin(), names.end(), column("list_distance")) != names.end();
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "{:<36}{:>9}{:>12}{:>8}{:>10}{:>8}{:>10}\n",
                 fmt::format("the first {} tracks", report.k), "artists", "popularity", "tail",
                 "coverage", "Gini", has_distance ? "distance" : "");
  for (const ReportBlock& block : report.blocks) {
    if (block.num_queries == 0) continue;
    fmt::format_to(out, "{}\n", block.name);
    for (const ReportRow& row : block.rows) {
      const auto mean = [&](const char* name) {
        return row.means[report.metrics.column(column(name))];
      };
      fmt::format_to(out, "  {:<34}{:>9.2f}{:>12.1f}{:>8.3f}", row.name, mean("distinct_artists"),
                     mean("popularity"), mean("tail_share"));
      if (row.lists) fmt::format_to(out, "{:>10.4f}{:>8.3f}", row.lists->coverage, row.lists->gini);
      if (has_distance) fmt::format_to(out, "{:>10.3f}", mean("list_distance"));
      fmt::format_to(out, "\n");
    }
  }
  fmt::format_to(out,
                 "artists: different ones; popularity: training playlists of a listed track; tail: "
                 "share of\nlisted tracks outside the 20 % most popular; coverage: share of the "
                 "catalogue that is listed\n");
  return text;
}

nlohmann::json to_json(const Report& report) {
  nlohmann::json blocks = nlohmann::json::array();
  for (const ReportBlock& block : report.blocks) {
    nlohmann::json rows = nlohmann::json::array();
    for (const ReportRow& row : block.rows) {
      nlohmann::json metrics = nlohmann::json::object();
      for (int64_t c = 0; c < report.metrics.num_columns(); ++c) {
        metrics[report.metrics.names()[c]] = {
            {"mean", row.means[c]}, {"low", row.intervals[c].low}, {"high", row.intervals[c].high}};
      }
      const PairedComparison& p = row.against_best;
      rows.push_back({{"ranker", row.name},
                      {"metrics", std::move(metrics)},
                      {"against_best",
                       {{"difference", p.difference},
                        {"low", p.interval.low},
                        {"high", p.interval.high},
                        {"p_value", p.p_value},
                        {"corrected_p_value", row.corrected_p_value},
                        {"effect_size", p.effect_size}}},
                      {"titles_per_second", row.titles_per_second}});
      if (row.is_oracle) rows.back()["oracle"] = true;
      if (row.lists) {
        rows.back()["lists"] = {{"coverage", row.lists->coverage},
                                {"gini", row.lists->gini},
                                {"distinct", row.lists->distinct}};
      }
    }
    nlohmann::json strata = nlohmann::json::array();
    for (const ReportStratum& stratum : block.strata) {
      nlohmann::json of_rows = nlohmann::json::array();
      for (const StratumRow& row : stratum.rows) {
        of_rows.push_back(
            {{"mean", row.mean}, {"low", row.interval.low}, {"high", row.interval.high}});
      }
      strata.push_back({{"by", stratum.by},
                        {"name", stratum.name},
                        {"queries", stratum.num_queries},
                        {"rows", std::move(of_rows)}});
    }
    blocks.push_back({{"name", block.name},
                      {"meaning", block.meaning},
                      {"queries", block.num_queries},
                      {"titles", block.num_titles},
                      {"candidates", block.num_candidates},
                      {"best", block.best},
                      {"rows", std::move(rows)},
                      {"strata", std::move(strata)}});
    if (const auto& to = block.to_baseline) {
      blocks.back()["to_baseline"] = {{"row", to->row},
                                      {"ratio", to->ratio},
                                      {"low", to->interval.low},
                                      {"high", to->interval.high}};
    }
  }
  return {{"heading", report.heading},
          {"k", report.k},
          {"blocks", std::move(blocks)},
          {"notes", report.notes}};
}

}  // namespace tutti::trainer
