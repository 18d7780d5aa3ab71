#pragma once

#include <vector>

#include "dist/communicator.h"
#include "trainer/baselines/bm25.h"
#include "trainer/evaluate/query_set.h"

namespace tutti::trainer {

// Documents made of titles repeat their words once a playlist, so k1 is tried far below and above
// the values that suit prose, and b down to 0.
struct Bm25Grid {
  std::vector<double> k1 = {0.2, 0.5, 1.2, 3, 8, 20, 60};
  std::vector<double> b = {0, 0.05, 0.15, 0.4, 0.75};
};

// The pair of the grid with the highest mean hits@k over the queries of all sets together (use
// validation playlists); the earlier pair of the grid, b first, when two are equal. Lucene's values
// when there is no query. Collective.
Bm25Parameters tune_bm25(const Bm25Index& index, const PopularityRanker& popularity,
                         const std::vector<QuerySet>& validation, int k, Communicator& comm,
                         const Bm25Grid& grid = {});

}  // namespace tutti::trainer
