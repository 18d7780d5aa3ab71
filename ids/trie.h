#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ids/id_table.h"

namespace tutti::ids {

// The prefix tree of all IDs as CSR arrays, nodes in breadth-first order (so the nodes of one depth
// are consecutive), node 0 the root. The edges of node n are [row[n], row[n+1]), tokens ascending.
struct Trie {
  std::vector<int64_t> row;     // [num_nodes + 1]
  std::vector<int32_t> token;   // [num_edges]
  std::vector<int32_t> target;  // [num_edges]: a node, or leaf_target(track) where an ID ends

  int64_t num_nodes() const { return static_cast<int64_t>(row.size()) - 1; }
  int64_t num_edges() const { return static_cast<int64_t>(token.size()); }
  std::span<const int32_t> tokens_of(int32_t node) const {
    return std::span(token).subspan(row[node], row[node + 1] - row[node]);
  }
  std::span<const int32_t> targets_of(int32_t node) const {
    return std::span(target).subspan(row[node], row[node + 1] - row[node]);
  }
  // The target of the token `wanted` below `node`, or kNone.
  int32_t find(int32_t node, int32_t wanted) const;

  static constexpr int32_t kNone = INT32_MIN;
  static bool is_leaf(int32_t target) { return target < 0 && target != kNone; }
  static int32_t track_of(int32_t target) { return -1 - target; }
  static int32_t leaf_target(int32_t track) { return -1 - track; }
};

// DataError when two tracks share an ID or one ID is a prefix of another (both tracks named).
Trie build_trie(const IdTable& table);

}  // namespace tutti::ids
