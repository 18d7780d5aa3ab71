#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/text_table.h"

namespace tutti::launch {

struct StudyInterval {
  double mean = 0, low = 0, high = 0;  // 95 %
};

// A strategy's line of the comparison.
struct StudyRow {
  std::string strategy;
  int64_t num_tracks = 0;
  int64_t not_alone = 0;       // tracks that the strategy does not tell from another by itself
  double mean_tokens = 0;      // of an ID
  double decode_steps = 0;     // positions that the model is asked for, a title
  int64_t rows_added = 0;      // of the vocabulary
  double invalid = 0;          // share of the best sequences without the trie that are nobody's ID
  StudyInterval hits;          // of all queries
  StudyInterval seen, unseen;  // of the parts
  double ratio = 0;            // of hits to the reference's; 0: there is none
  double p_value = 1;          // that the reference is as good
  double train_seconds = 0;    // 0: not measured, the run was interrupted
};

// The comparison as cells, head first. `k`: of hits@k. A '=' behind a ratio: p >= 0.05.
Table study_table(const std::vector<StudyRow>& rows, int k, const std::string& reference);
// All figures of the rows, a column each, unrounded.
Table study_figures(const std::vector<StudyRow>& rows, int k);

}  // namespace tutti::launch
