#include "ids/trie.h"

#include <algorithm>
#include <numeric>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dist/runtime/errors.h"

namespace tutti::ids {
namespace {

// The tracks order[first, last) share the first `depth` tokens of their IDs: one node of the trie.
struct NodeRange {
  int64_t first, last;
};

std::string show_id(const IdTable& table, int64_t track) {
  return fmt::format("[{}]", fmt::join(table.id_of(track), " "));
}

void check_ids(const IdTable& table) {
  for (int64_t t = 0; t < table.num_tracks(); ++t) {
    if (table.id_of(t).empty()) {
      throw DataError({"", fmt::format("track {}", t), "an empty ID", "at least one token", ""});
    }
    for (int32_t token : table.id_of(t)) {
      if (token >= 0 && token < table.num_tokens()) continue;
      throw DataError({"", fmt::format("track {}", t), fmt::format("ID token {}", token),
                       fmt::format("a token in [0, {})", table.num_tokens()), ""});
    }
  }
}

[[noreturn]] void throw_clash(const IdTable& table, int64_t a, int64_t b) {
  if (table.id_of(a).size() > table.id_of(b).size() ||
      (table.id_of(a).size() == table.id_of(b).size() && a > b)) {
    std::swap(a, b);
  }
  const bool equal = table.id_of(a).size() == table.id_of(b).size();
  throw DataError(
      {"", fmt::format("tracks {} and {}", a, b),
       equal ? fmt::format("one ID for both, {}", show_id(table, a))
             : fmt::format("ID {} is a prefix of {}", show_id(table, a), show_id(table, b)),
       "a different ID for each track, none a prefix of another", "build the table with --unique"});
}

}  // namespace

int32_t Trie::find(int32_t node, int32_t wanted) const {
  const auto tokens = tokens_of(node);
  const auto at = std::lower_bound(tokens.begin(), tokens.end(), wanted);
  if (at == tokens.end() || *at != wanted) return kNone;
  return targets_of(node)[at - tokens.begin()];
}

Trie build_trie(const IdTable& table) {
  check_ids(table);
  TUTTI_CHECK(table.num_tracks() < INT32_MAX, "leaf targets are 32 bits");
  std::vector<int32_t> order(table.num_tracks());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    const auto x = table.id_of(a), y = table.id_of(b);
    const auto [i, j] = std::mismatch(x.begin(), x.end(), y.begin(), y.end());
    if (i == x.end() || j == y.end()) return x.size() != y.size() ? x.size() < y.size() : a < b;
    return *i < *j;
  });

  Trie trie;
  trie.row.push_back(0);
  std::vector<NodeRange> nodes{{0, table.num_tracks()}}, next_nodes;
  int64_t num_nodes = 1;
  for (size_t depth = 0; !nodes.empty(); ++depth, nodes.swap(next_nodes)) {
    next_nodes.clear();
    for (const auto& node : nodes) {
      for (int64_t first = node.first; first < node.last;) {
        const int32_t token = table.id_of(order[first])[depth];
        int64_t last = first + 1;
        while (last < node.last && table.id_of(order[last])[depth] == token) ++last;
        const bool ends = table.id_of(order[first]).size() == depth + 1;  // shorter IDs sort first
        if (ends && last - first > 1) throw_clash(table, order[first], order[first + 1]);
        trie.token.push_back(token);
        if (ends) {
          trie.target.push_back(Trie::leaf_target(order[first]));
        } else {
          TUTTI_CHECK(num_nodes < INT32_MAX, "node targets are 32 bits");
          trie.target.push_back(static_cast<int32_t>(num_nodes++));
          next_nodes.push_back({first, last});
        }
        first = last;
      }
      trie.row.push_back(trie.num_edges());
    }
  }
  return trie;
}

}  // namespace tutti::ids
