#include "trainer/evaluate/report.h"

#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tutti::trainer {

std::string format_report(const Report& report) {
  std::string text;
  const auto out = std::back_inserter(text);
  for (const auto& line : report.heading) fmt::format_to(out, "{}\n", line);

  const auto column = [&report](const char* name) { return fmt::format("{}@{}", name, report.k); };
  fmt::format_to(out, "\n{:<34}{:>10}{:>14}{:>11}{:>9}{:>9}\n", "", column("hits"),
                 column("hit_rate"), column("recall"), column("nDCG"), column("MRR"));
  for (const ReportBlock& block : report.blocks) {
    const int64_t num_queries = block.rows.empty() ? 0 : block.rows.front().num_queries;
    fmt::format_to(out, "{}: {}", block.name, block.meaning);
    if (num_queries == 0) {
      fmt::format_to(out, "\n  no queries\n");
      continue;
    }
    fmt::format_to(out, "\n  {} queries", num_queries);
    if (num_queries < block.num_candidates) {
      fmt::format_to(out, " drawn from {}", block.num_candidates);
    }
    fmt::format_to(out, ", {} distinct titles\n", block.rows.front().num_titles);
    for (const Evaluation& row : block.rows) {
      const MetricsAtK& m = row.metrics;
      fmt::format_to(out, "  {:<32}{:>10.4f}{:>14.4f}{:>11.4f}{:>9.4f}{:>9.4f}\n", row.ranker,
                     m.hits, m.hit_rate, m.recall, m.ndcg, m.mrr);
    }
  }
  fmt::format_to(out, "\n");
  for (const auto& line : report.notes) fmt::format_to(out, "{}\n", line);
  return text;
}

nlohmann::json to_json(const Report& report) {
  nlohmann::json blocks = nlohmann::json::array();
  for (const ReportBlock& block : report.blocks) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Evaluation& row : block.rows) {
      const MetricsAtK& m = row.metrics;
      rows.push_back({{"ranker", row.ranker},
                      {"hits", m.hits},
                      {"hit_rate", m.hit_rate},
                      {"precision", m.precision},
                      {"recall", m.recall},
                      {"ndcg", m.ndcg},
                      {"mrr", m.mrr},
                      {"titles_per_second", row.titles_per_second()}});
    }
    blocks.push_back({{"name", block.name},
                      {"meaning", block.meaning},
                      {"queries", block.rows.empty() ? 0 : block.rows.front().num_queries},
                      {"titles", block.rows.empty() ? 0 : block.rows.front().num_titles},
                      {"candidates", block.num_candidates},
                      {"rows", std::move(rows)}});
  }
  return {{"heading", report.heading},
          {"k", report.k},
          {"blocks", std::move(blocks)},
          {"notes", report.notes}};
}

}  // namespace tutti::trainer
