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
  int groups = 1;                     // the beams are dealt to; rounded up to fill them evenly
  double diversity = 0;               // penalty of a token, for each beam of an earlier group that
                                      // took it at this position; in nats, >= 0
  bool distinct = true;               // groups leave tracks to each other; false: as transformers
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
// best first, score = the sum of the ID's log-probabilities less its penalties; ties by node, then
// token, so the result is a pure function of the scores. Only children of a beam's node are ever
// candidates: nothing outside the catalog can appear, also when there are fewer children than
// beams. With beam >= number of tracks and one group it is exhaustive search. Single children of
// the last level cost no step where they are certain, and a partial ID that several groups hold is
// scored once.
//
// More than one group is diverse beam search (Vijayakumar et al., arXiv 1610.02424) with the
// Hamming penalty, as transformers' generate(num_beam_groups, diversity_penalty) computes it:
// groups choose one after the other at each position, and penalties stay in the running score and
// so in the final order. Where the softmax is over the children (Softmax::kTrie, and the last
// level) the penalty is taken before it normalises, as with renormalize_logits=True; a single child
// is no choice and is not penalised. A group of more beams than the first level has
// children stays smaller, where transformers adds copies that count as choices. transformers
// returns a track as often as groups find it. Here,
// with `distinct`, a group takes the next best instead of a partial ID that earlier groups hold as
// often as there are tracks below it; a list is shorter than k when groups run out of candidates
// even so.
std::vector<std::vector<Recommendation>> beam_search(IdScorer& scorer, const ids::Trie& trie,
                                                     std::span<const ids::IdLevel> levels,
                                                     int64_t num_titles,
                                                     const BeamOptions& options);

}  // namespace tutti::trainer
