#include "launch/compare/table.h"

#include <fmt/format.h>

namespace tutti::launch {
namespace {

std::string unique_of(const StudyRow& row) {
  if (row.not_alone == 0) return "yes";
  return fmt::format("no: {:.1f} %", 100.0 * static_cast<double>(row.not_alone) /
                                         static_cast<double>(row.num_tracks));
}

std::string seconds_of(double seconds) {
  return seconds > 0 ? fmt::format("{:.0f}", seconds) : "-";
}

}  // namespace

Table study_table(const std::vector<StudyRow>& rows, int k, const std::string& reference) {
  Table table = {{"strategy", "unique?", "tokens", "steps", "rows added", "invalid without trie",
                  fmt::format("hits@{}", k), "95 %", fmt::format("ratio to {}", reference),
                  "seen titles", "unseen titles", "train s"}};
  for (const StudyRow& row : rows) {
    std::string ratio = "-";
    if (row.ratio > 0) {
      const bool is_equal = row.strategy != reference && row.p_value >= 0.05;
      ratio = fmt::format("{:.2f}{}", row.ratio, is_equal ? " =" : "");
    }
    table.push_back({row.strategy, unique_of(row), fmt::format("{:.2f}", row.mean_tokens),
                     fmt::format("{:.1f}", row.decode_steps), fmt::format("{}", row.rows_added),
                     fmt::format("{:.1f} %", 100 * row.invalid),
                     fmt::format("{:.3f}", row.hits.mean),
                     fmt::format("{:.3f} - {:.3f}", row.hits.low, row.hits.high), ratio,
                     fmt::format("{:.3f}", row.seen.mean), fmt::format("{:.3f}", row.unseen.mean),
                     seconds_of(row.train_seconds)});
  }
  return table;
}

Table study_figures(const std::vector<StudyRow>& rows, int k) {
  Table table = {{"strategy", "tracks", "tracks_not_alone", "mean_tokens", "decoding_steps",
                  "rows_added", "invalid_share", fmt::format("hits@{}", k), "low", "high", "ratio",
                  "p_value", "seen", "seen_low", "seen_high", "unseen", "unseen_low", "unseen_high",
                  "train_seconds"}};
  for (const StudyRow& row : rows) {
    std::vector<std::string> cells = {row.strategy, fmt::format("{}", row.num_tracks),
                                      fmt::format("{}", row.not_alone)};
    for (const double value : {row.mean_tokens, row.decode_steps}) {
      cells.push_back(fmt::format("{}", value));
    }
    cells.push_back(fmt::format("{}", row.rows_added));
    for (const double value :
         {row.invalid, row.hits.mean, row.hits.low, row.hits.high, row.ratio, row.p_value,
          row.seen.mean, row.seen.low, row.seen.high, row.unseen.mean, row.unseen.low,
          row.unseen.high, row.train_seconds}) {
      cells.push_back(fmt::format("{}", value));
    }
    table.push_back(std::move(cells));
  }
  return table;
}

}  // namespace tutti::launch
