#pragma once

#include <cstdint>

#include "data/dataset.h"
#include "dist/communicator.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// Mean hits@10 per query on validation playlists, in which no training playlist and no test
// playlist is.
struct Validation {
  double hits = 0;  // over all queries: what early stopping looks at
  double seen_hits = 0,
         unseen_hits = 0;  // titles that training has, and has not
  double trie_nats = 0;    // see trie_nats.h; of seen titles, unless there are none
  int64_t num_queries = 0;
  double seconds = 0;
};

// Asks a ranker for the titles of validation playlists, the same ones each time.
class Validator {
 public:
  // Reads the playlists: later calls touch no file. At most `max_queries` with seen and as many
  // with unseen titles. DataError when the dataset holds no playlist out for validation.
  Validator(const data::Dataset& dataset, int64_t max_queries);

  // Collective; the same bytes on all ranks and at any world size, given equal lists.
  Validation run(Ranker& ranker, Communicator& comm) const;

  const PlaylistQueries& queries() const { return queries_; }

 private:
  PlaylistQueries queries_;
};

}  // namespace tutti::trainer
