#pragma once

#include <cstdint>

#include "data/tokenizer.h"
#include "dist/communicator.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

// How well a model foretells held-out tracks: the mean of -log p(ID | title) over their tracks,
// every token normalised over the children that exist, whatever the softmax of training. So models
// of different softmaxes can be compared. exp(nats) is as many tracks as one would have to guess
// among.
struct TrieNats {
  double mean = 0;         // nats a track
  int64_t num_tracks = 0;  // that the mean is over; 0: there were none
};

// Of the first `max_queries` queries (0: all) of a set. Collective: queries are dealt to ranks in
// batches that are the same at any world size, and summed in their order.
TrieNats trie_nats(const IdModel& model, const data::Tokenizer& tokenizer,
                   const ids::IdTable& table, const ids::Trie& trie, const QuerySet& queries,
                   int64_t max_queries, Communicator& comm);

}  // namespace tutti::trainer
