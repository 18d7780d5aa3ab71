#include "trainer/packing.h"

#include <algorithm>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

// A prefix of some ID of one title, before the nodes of all titles are put in order of depth.
struct Prefix {
  int32_t token;   // the last token of the prefix, -1 for the empty one
  int32_t parent;  // index of the prefix one shorter, in the same list
  int32_t trie_node;
  std::vector<std::pair<int32_t, float>> children;  // token -> weight, tokens ascending
};

using Depths =
    std::vector<std::vector<Prefix>>;  // [depth][prefix], prefixes in lexicographic order

// The tree of the IDs of one title. Sorted IDs make every prefix a run, so that the tree grows at
// its right edge only.
Depths build_tree(const TitleGroup& group, const ids::IdTable& table, const ids::Trie& trie,
                  float track_weight) {
  std::vector<std::span<const int32_t>> sorted;
  sorted.reserve(group.tracks.size());
  for (int32_t track : group.tracks) sorted.push_back(table.id_of(track));
  std::sort(sorted.begin(), sorted.end(), [](auto a, auto b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  });

  Depths depths(1);
  depths[0].push_back({.token = -1, .parent = -1, .trie_node = 0, .children = {}});
  std::span<const int32_t> previous;
  for (std::span<const int32_t> id : sorted) {
    const auto shared =
        std::mismatch(id.begin(), id.end(), previous.begin(), previous.end()).first - id.begin();
    for (int64_t depth = 0; depth < std::ssize(id); ++depth) {
      Prefix& prefix = depths[depth].back();
      const int32_t token = id[depth];
      if (depth >= shared || prefix.children.empty()) prefix.children.emplace_back(token, 0.0F);
      prefix.children.back().second += track_weight;
      if (depth + 1 == std::ssize(id) || depth < shared) continue;
      const int32_t target = trie.find(prefix.trie_node, token);
      TUTTI_CHECK(target >= 0, "ID table and trie disagree");
      if (std::ssize(depths) == depth + 1) depths.emplace_back();
      depths[depth + 1].push_back({.token = token,
                                   .parent = static_cast<int32_t>(depths[depth].size()) - 1,
                                   .trie_node = target,
                                   .children = {}});
    }
    previous = id;
  }
  return depths;
}

}  // namespace

double group_weight(int64_t num_tracks, Weighting weighting) {
  return weighting == Weighting::kPair ? static_cast<double>(num_tracks) : 1.0;
}

PackedBatch pack(std::span<const TitleGroup> groups, const ids::IdTable& table,
                 const ids::Trie& trie, Weighting weighting) {
  PackedBatch batch;
  batch.num_titles = std::ssize(groups);
  for (const TitleGroup& group : groups) {
    TUTTI_CHECK(!group.tracks.empty() && !group.title_tokens.empty());
    batch.title_length = std::max(batch.title_length, std::ssize(group.title_tokens));
    batch.title_lengths.push_back(std::ssize(group.title_tokens));
    batch.num_pairs += std::ssize(group.tracks);
    batch.weight += group_weight(std::ssize(group.tracks), weighting);
  }
  batch.title_tokens.assign(batch.num_titles * batch.title_length, 0);
  std::vector<Depths> trees;
  trees.reserve(groups.size());
  for (int64_t b = 0; b < batch.num_titles; ++b) {
    std::copy(groups[b].title_tokens.begin(), groups[b].title_tokens.end(),
              batch.title_tokens.begin() + b * batch.title_length);
    const int64_t num_tracks = std::ssize(groups[b].tracks);
    const double track_weight =
        group_weight(num_tracks, weighting) / static_cast<double>(num_tracks);
    trees.push_back(build_tree(groups[b], table, trie, static_cast<float>(track_weight)));
    batch.max_depth = std::max(batch.max_depth, std::ssize(trees.back()));
  }

  const int64_t last_level = table.id_length() - 1;
  std::vector<std::vector<int64_t>> node_of(
      groups.size());  // by title: node of each prefix of the depth at hand, -1 when left out
  std::vector<std::vector<int64_t>> parent_node_of(groups.size());
  std::vector<std::vector<int64_t>> paths;  // [M], the nodes from the start to the node itself
  batch.levels.resize(batch.max_depth);
  for (int64_t depth = 0; depth < batch.max_depth; ++depth) {
    LevelTargets& targets = batch.levels[depth];
    const ids::IdLevel level = table.levels[depth];
    for (int64_t b = 0; b < batch.num_titles; ++b) {
      std::swap(parent_node_of[b], node_of[b]);
      node_of[b].clear();
      if (depth >= std::ssize(trees[b])) continue;
      for (const Prefix& prefix : trees[b][depth]) {
        const std::span<const int32_t> children = trie.tokens_of(prefix.trie_node);
        if (depth == last_level && children.size() == 1) {
          node_of[b].push_back(-1);
          continue;
        }
        const int64_t node = batch.num_nodes();
        const int64_t row = node - batch.depth_begin[depth];
        node_of[b].push_back(node);
        batch.input.push_back(prefix.token);
        batch.title.push_back(b);
        batch.depth.push_back(depth);
        std::vector<int64_t> path;
        if (depth > 0) path = paths[parent_node_of[b][prefix.parent]];
        path.push_back(node);
        paths.push_back(std::move(path));
        for (const auto& [token, weight] : prefix.children) {
          targets.row.push_back(row);
          targets.column.push_back(token - level.first_token);
          targets.weight.push_back(weight);
        }
        if (depth == last_level) {
          for (int32_t token : children) {
            targets.child_row.push_back(row);
            targets.child_column.push_back(token - level.first_token);
          }
        }
      }
    }
    batch.depth_begin.push_back(batch.num_nodes());
  }
  while (batch.max_depth > 1 &&
         batch.depth_begin[batch.max_depth] == batch.depth_begin[batch.max_depth - 1]) {
    --batch.max_depth;  // every node of the last level was left out
    batch.depth_begin.pop_back();
    batch.levels.pop_back();
  }

  batch.ancestors.resize(batch.num_nodes() * batch.max_depth);
  for (int64_t node = 0; node < batch.num_nodes(); ++node) {
    for (int64_t d = 0; d < batch.max_depth; ++d) {
      batch.ancestors[node * batch.max_depth + d] =
          d < std::ssize(paths[node]) ? paths[node][d] : node;
    }
  }
  return batch;
}

}  // namespace tutti::trainer
