#pragma once

#include <vector>

#include "dist/communicator.h"
#include "trainer/baselines/bm25.h"
#include "trainer/baselines/title_vote.h"
#include "trainer/evaluate/query_set.h"

namespace tutti::trainer {

// Baselines are shown at their best: each of these tries a grid and returns the values with the
// most hits@k over the queries of all sets together (use validation playlists); the earlier of
// equals. The first of the grid when there is no query. Collective, and the same at any world size.

// Documents made of titles repeat their words once a playlist, so k1 is tried far below and above
// the values that suit prose, and b down to 0. Without a query: Lucene's values.
struct Bm25Grid {
  std::vector<double> k1 = {0.2, 0.5, 1.2, 3, 8, 20, 60};
  std::vector<double> b = {0, 0.05, 0.15, 0.4, 0.75};
};
Bm25Parameters tune_bm25(const Bm25Index& index, const PopularityRanker& popularity,
                         const std::vector<QuerySet>& validation, int k, Communicator& comm,
                         const Bm25Grid& grid = {});

// mu of the query likelihood, in words.
struct QueryLikelihoodGrid {
  std::vector<double> mu = {2000, 10, 50, 200, 1e4, 1e5, 1e6};
};
double tune_query_likelihood(const Bm25Index& index, const PopularityRanker& popularity,
                             const std::vector<QuerySet>& validation, int k, Communicator& comm,
                             const QueryLikelihoodGrid& grid = {});

struct TitleVoteGrid {
  std::vector<int> num_neighbours = {50, 200, 1000};
  std::vector<double> alpha = {0.2, 0.9};
  std::vector<double> beta = {0.5, 1.0};
  std::vector<double> shrinkage = {1, 5, 20, 100};
};
TitleVoteParameters tune_title_vote(const TitleIndex& index, const PopularityRanker& popularity,
                                    const std::vector<QuerySet>& validation, int k,
                                    Communicator& comm, const TitleVoteGrid& grid = {});

}  // namespace tutti::trainer
