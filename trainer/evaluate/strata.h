#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/significance.h"

namespace tutti::trainer {

// The queries of a set that have something in common.
struct Stratum {
  std::string by, name;          // "title words", "3"
  std::vector<int64_t> queries;  // ascending
};

// By words of the normalised title (0 to 1, 2, 3, 4 and more) and by training playlists of the
// normalised title (none, 1, 2 to 9, 10 and more). Strata without a query are left out.
std::vector<Stratum> strata_of(const QuerySet& queries, const data::TitleTable& titles);

// A metric of each system over the queries of a stratum.
struct StratumRow {
  double mean = 0;
  Interval interval;  // 95 %, bootstrap over the stratum's titles
};
std::vector<StratumRow> score_stratum(const Stratum& stratum, const QuerySet& queries,
                                      const std::vector<Evaluation>& systems,
                                      const std::string& metric, uint64_t seed);

}  // namespace tutti::trainer
