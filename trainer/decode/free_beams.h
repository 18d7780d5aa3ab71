#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/decode/beam_search.h"

namespace tutti::trainer {

// A whole ID that a model wrote on its own: maybe nobody's.
struct FreeId {
  std::vector<int32_t> tokens;
  float score = 0;  // sum of log-probabilities
};

// Beam search that knows nothing of the catalogue, as an engine that cannot constrain does it.
// Where the softmax is over all ID tokens (kIds, kFull) any of them may stand at any position; else
// those of the position's level, over which scores are then normalised. IDs of text end with their
// end token, or are cut at the longest ID that there is; others end by their length. result[i]: at
// most k sequences of title i, best first; ties by parent, then token. Groups are not searched.
std::vector<std::vector<FreeId>> free_beam_search(IdScorer& scorer, const ids::IdTable& table,
                                                  int64_t num_titles, const BeamOptions& options);

// Whether the sequence is a track's whole ID.
bool is_valid(std::span<const int32_t> tokens, const ids::Trie& trie);

// Passes on to another scorer and counts at how many positions each title was asked for.
class CountingScorer : public IdScorer {
 public:
  CountingScorer(IdScorer& scorer, int64_t num_titles) : scorer_(scorer), steps_(num_titles, 0) {}
  std::span<const float> step(std::span<const Row> rows, const ids::IdLevel& level,
                              Softmax over) override;
  std::span<const int64_t> steps() const { return steps_; }  // [num_titles]

 private:
  IdScorer& scorer_;
  std::vector<int64_t> steps_;
};

}  // namespace tutti::trainer
