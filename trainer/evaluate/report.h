#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/significance.h"
#include "trainer/evaluate/strata.h"
#include "trainer/evaluate/track_facts.h"

namespace tutti::trainer {

// A system in a block of the table.
struct ReportRow {
  std::string name;
  std::vector<double> means = {};        // [num_columns]
  std::vector<Interval> intervals = {};  // [num_columns], 95 %
  PairedComparison against_best =
      {};                             // of the headline metric, this row minus the block's best row
  double corrected_p_value = 1;       // Holm, over the block's other rows
  double titles_per_second = 0;       // 0: not ranked here
  bool is_oracle = false;             // listed, never the best row, nor compared with it
  std::optional<ListUse> lists = {};  // of all queries' lists
};

// Part of a block's queries.
struct ReportStratum {
  std::string by, name;
  int64_t num_queries = 0;
  std::vector<StratumRow> rows = {};  // of the headline, one a row of the block
};

// What is evaluated, the last row, beside the best of the others that are no oracle: the ratio of
// their headline means, and its interval from the same resamples.
struct RatioToBaseline {
  int row = -1;  // the baseline's
  double ratio = 0;
  Interval interval = {};
};

// The rows of one query set.
struct ReportBlock {
  std::string name;     // "seen titles"
  std::string meaning;  // what is asked and what counts as right, half a sentence
  int64_t num_queries = 0, num_titles = 0;
  int64_t num_candidates = 0;  // queries before the cap
  std::vector<ReportRow> rows = {};
  int best = -1;  // the row with the highest headline metric, of those that are no oracle
  // None without a baseline, or where it finds so little that the ratio has no finite interval.
  std::optional<RatioToBaseline> to_baseline = {};
  std::vector<ReportStratum> strata = {};
};

struct Report {
  std::vector<std::string> heading;  // what the playlists are, which artefacts were used
  int k = 10;                        // of the headline, hits@k
  MetricSet metrics{{10}};
  std::vector<ReportBlock> blocks = {};
  std::vector<std::string> notes = {};  // under the table: speed, tuned parameters
};

// Means, intervals and comparisons of the systems on one query set: 1,000 resamples of its titles
// (see significance.h). Every evaluation has the metrics of the first.
// `titles`: for the strata; none without.
ReportBlock make_block(const QuerySet& queries, std::string meaning,
                       const std::vector<Evaluation>& systems, int k, uint64_t seed,
                       const data::TitleTable* titles = nullptr);

// The table that `tutti evaluate` prints: a block per query set, a line per system, under 100
// columns. A block without queries says so. '=' behind a row says that its hits@k cannot be told
// from the best row's (corrected p >= 0.05).
std::string format_report(const Report& report);

// What a table of hits does not show: artists, popularity, tail, coverage, Gini; under 100 columns.
// Empty where the metrics hold no facts about tracks.
std::string format_beyond_accuracy(const Report& report);

// The same as a document: {"k", "heading", "blocks": [{"name", "queries", "titles", "candidates",
// "best", "to_baseline": {"row", "ratio", "low", "high"}, "rows": [{"ranker", "metrics": {name:
// {"mean", "low", "high"}}, "against_best": {...}, "titles_per_second", "oracle", "lists":
// {"coverage", "gini", "distinct"}}], "strata": [{"by", "name", "queries", "rows": [{"mean", "low",
// "high"}]}]}], "notes"}.
nlohmann::json to_json(const Report& report);

}  // namespace tutti::trainer
