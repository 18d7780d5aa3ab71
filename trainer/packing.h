#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoints/softmax.h"
#include "ids/id_table.h"
#include "ids/trie.h"

namespace tutti::trainer {

// How the tracks of one title are weighted against those of another.
enum class Weighting {
  kPair,      // every (title, track) pair counts 1
  kPlaylist,  // the pairs of a title share a weight of 1
};

struct PackingOptions {
  Weighting weighting = Weighting::kPair;
  // Says at which levels the children that exist are listed, and which nodes are certain.
  checkpoints::Softmax softmax = checkpoints::Softmax::kLevel;
};

// One title and the tracks it should lead to.
struct TitleGroup {
  std::span<const int32_t> title_tokens;  // text rows, eos last; not empty
  std::span<const int32_t> tracks;        // catalog rows, one may stand twice; not empty
  std::span<const float> weights = {};    // of each track; empty: as PackingOptions::weighting says
  uint64_t key = 0;  // the playlist's number in the dataset: what its dropout is drawn by
};

// The cross-entropy targets of the nodes of one depth: node `row` (counted from the first node of
// that depth) should emit `column` (counted from the first token of the level) with this weight.
// Rows ascend.
struct LevelTargets {
  std::vector<int64_t> row, column;
  std::vector<float> weight;
  // Where the softmax is over the children that exist: child_row[i], child_column[i] are all of
  // them. Empty at other levels.
  std::vector<int64_t> child_row, child_column;
};

// Title groups packed for one forward pass: titles padded to [B, S], and one decoder node per
// distinct prefix of a title's IDs. Nodes stand in order of depth, then title; the start node of
// title b is node b. The last token of an ID is never an input. A node from which on everything
// follows with certainty (single children only, under a softmax over the children) is left out: it
// costs nothing and teaches nothing.
struct PackedBatch {
  checkpoints::Softmax softmax = checkpoints::Softmax::kLevel;  // that it was packed for
  int64_t num_titles = 0;                                       // B
  int64_t title_length = 0;                                     // S
  std::vector<int64_t> title_tokens;                            // [B, S], padded with 0
  std::vector<int64_t> title_lengths;                           // [B]
  std::vector<uint64_t> title_keys;                             // [B]

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

// Packs title groups by index arithmetic alone: what depends on the catalog is looked up once, and
// buffers are used again. Not for two threads at a time.
class Packer {
 public:
  // Table and trie outlive the packer.
  Packer(const ids::IdTable& table, const ids::Trie& trie, const PackingOptions& options);

  // Replaces `batch`, whose buffers are used again. Groups whose tracks stand in the order of
  // sort_by_id() are packed without a sort.
  void pack(std::span<const TitleGroup> groups, PackedBatch& batch);

  // The decoder nodes that a title with these tracks, in the order of sort_by_id(), gets.
  int64_t count_nodes(std::span<const int32_t> tracks_by_id) const;
  // Lexicographic order of IDs.
  bool is_before(int32_t a, int32_t b) const { return rank_[a] < rank_[b]; }
  void sort_by_id(std::span<int32_t> tracks) const;

  const PackingOptions& options() const { return options_; }

 private:
  struct Entry {
    int32_t track;
    float weight;
    int32_t shared;  // leading tokens in common with the entry before; -1: there is none
    int64_t node;    // of the prefix at the depth at hand
  };
  void walk_trie();
  int32_t trie_node(int32_t track, int64_t depth) const;  // of the prefix of `depth` tokens
  int32_t shared_tokens(int32_t a, int32_t b) const;
  void gather_entries(std::span<const TitleGroup> groups);
  void add_nodes(int64_t depth, PackedBatch& batch);

  const ids::IdTable& table_;
  const ids::Trie& trie_;
  PackingOptions options_;
  std::vector<int32_t> rank_;         // [num_tracks], place in the lexicographic order of IDs
  std::vector<int32_t> num_open_;     // [num_tracks], leading positions that are not certain, >= 1
  std::vector<int32_t> paths_;        // trie nodes of an ID's prefixes of length 1 .. length - 1
  std::vector<Entry> entries_;        // of all titles of the batch at hand, each title in ID order
  std::vector<int64_t> title_begin_;  // [B + 1], into entries_
};

// The weight of a group of so many pairs.
double group_weight(int64_t num_tracks, Weighting weighting);

// For one batch.
PackedBatch pack(std::span<const TitleGroup> groups, const ids::IdTable& table,
                 const ids::Trie& trie, const PackingOptions& options = {});

}  // namespace tutti::trainer
