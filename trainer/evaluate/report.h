#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "trainer/evaluate/evaluator.h"

namespace tutti::trainer {

// The rows of one query set.
struct ReportBlock {
  std::string name;            // "seen titles"
  std::string meaning;         // what is asked and what counts as right, half a sentence
  int64_t num_candidates = 0;  // queries before the cap
  std::vector<Evaluation> rows;
};

struct Report {
  std::vector<std::string> heading;  // what the playlists are, which artefacts were used
  int k = 10;
  std::vector<ReportBlock> blocks;
  std::vector<std::string> notes;  // under the table: speed, tuned parameters
};

// The table that `tutti evaluate` prints: a block per query set, a line per ranker, under 100
// columns. A block without queries says so.
std::string format_report(const Report& report);

// The same as a document: {"k", "heading", "blocks": [{"name", "queries", "titles", "candidates",
// "rows": [{"ranker", "hits", "hit_rate", "precision", "recall", "ndcg", "mrr",
// "titles_per_second"}]}], "notes"}.
nlohmann::json to_json(const Report& report);

}  // namespace tutti::trainer
