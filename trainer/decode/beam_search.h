#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoints/softmax.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

using checkpoints::Softmax;

struct BeamOptions {
  int beam = 32;                      // partial IDs kept a title and position; at least k are kept
  int k = 10;                         // tracks returned a title
  Softmax softmax = Softmax::kLevel;  // the one the model was trained with
};

// The model as beam search sees it. Rows are partial IDs; titles stand in ascending order, the rows
// of a title behind one another.
class IdScorer {
 public:
  virtual ~IdScorer() = default;

  // What a row of step() continues.
  struct Row {
    int32_t title = 0;
    int32_t parent = 0;  // row of the step before (ignored in the first)
    int32_t token = -1;  // ID token fed, -1 at the start
  };
  // The next position of all rows: scores [rows, level.num_tokens] of the level's tokens, valid
  // until the next call. Log-probabilities over the tokens that `over` names; for kTrie, whose
  // children are not known here, logits.
  virtual std::span<const float> step(std::span<const Row> rows, const ids::IdLevel& level,
                                      Softmax over) = 0;
};

// Trie-constrained beam search for titles 0 .. num_titles - 1 at once. result[i]: at most k tracks,
// best first, score = the sum of the ID's log-probabilities; ties by node, then token, so the
// result is a pure function of the scores. Only children of a beam's node are ever candidates:
// nothing outside the catalog can appear, also when there are fewer children than beams. With
// beam >= number of tracks it is exhaustive search. Single children of the last level cost no step
// where they are certain.
std::vector<std::vector<Recommendation>> beam_search(IdScorer& scorer, const ids::Trie& trie,
                                                     std::span<const ids::IdLevel> levels,
                                                     int64_t num_titles,
                                                     const BeamOptions& options);

}  // namespace tutti::trainer
