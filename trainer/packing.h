#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ids/id_table.h"
#include "ids/trie.h"

namespace tutti::trainer {

// How the tracks of one title are weighted against those of another.
enum class Weighting {
  kPair,      // every (title, track) pair counts 1
  kPlaylist,  // the pairs of a title share a weight of 1
};

// One title and the tracks it should lead to.
struct TitleGroup {
  std::span<const int32_t> title_tokens;  // text rows, eos last; not empty
  std::span<const int32_t> tracks;        // catalog rows; not empty
};

// The cross-entropy targets of the nodes of one depth: node `row` (counted from the first node of
// that depth) should emit `column` (counted from the first token of the level) with this weight.
// Rows ascend.
struct LevelTargets {
  std::vector<int64_t> row, column;
  std::vector<float> weight;
  // The last level is normalised over the children that exist: child_row[i], child_column[i] are
  // all of them. Empty at other levels.
  std::vector<int64_t> child_row, child_column;
};

// Title groups packed for one forward pass: titles padded to [B, S], and one decoder node per
// distinct prefix of a title's IDs. Nodes stand in order of depth, then title; the start node of
// title b is node b. The last token of an ID is never an input, and a node of the last level whose
// only child follows with certainty is left out: it costs nothing and teaches nothing.
struct PackedBatch {
  int64_t num_titles = 0;              // B
  int64_t title_length = 0;            // S
  std::vector<int64_t> title_tokens;   // [B, S], padded with 0
  std::vector<int64_t> title_lengths;  // [B]

  int64_t max_depth = 0;  // T: depths are 0 .. T-1
  std::vector<int64_t> depth_begin{
      0};                      // [T + 1]: nodes of depth d are [depth_begin[d], depth_begin[d+1])
  std::vector<int64_t> input;  // [M]: the ID token fed; -1 for the start nodes
  std::vector<int64_t> title;  // [M]
  std::vector<int64_t> depth;  // [M]
  std::vector<int64_t> ancestors;  // [M, T]: the node's path, start first, itself at [depth];
                                   // itself again beyond (masked)

  std::vector<LevelTargets> levels;  // [T]
  int64_t num_pairs = 0;             // (title, track) pairs that went in
  double weight = 0;                 // their summed weight

  int64_t num_nodes() const { return static_cast<int64_t>(input.size()); }
};

// The weight that `num_tracks` tracks of one title carry together: what a step's loss is divided
// by, summed over the groups of all ranks.
double group_weight(int64_t num_tracks, Weighting weighting);

// Packs groups; pure index arithmetic. `trie` holds the IDs of the whole catalog, not only of these
// tracks.
PackedBatch pack(std::span<const TitleGroup> groups, const ids::IdTable& table,
                 const ids::Trie& trie, Weighting weighting);

}  // namespace tutti::trainer
