#include "trainer/packing.h"

#include <algorithm>
#include <numeric>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

double group_weight(int64_t num_tracks, Weighting weighting) {
  return weighting == Weighting::kPair ? static_cast<double>(num_tracks) : 1.0;
}

Packer::Packer(const ids::IdTable& table, const ids::Trie& trie, const PackingOptions& options)
    : table_(table),
      trie_(trie),
      options_(options),
      rank_(table.num_tracks()),
      num_open_(table.num_tracks()),
      paths_(std::ssize(table.tokens) - table.num_tracks()) {
  walk_trie();
}

// Depth first, children by token: leaves appear in the lexicographic order of their IDs.
void Packer::walk_trie() {
  struct Visit {
    int32_t node;
    int64_t next_child;
  };
  std::vector<Visit> path = {{0, 0}};  // from the root to the node at hand
  const auto is_certain = [&](int64_t depth) {
    return trie_.tokens_of(path[depth].node).size() == 1 &&
           checkpoints::is_over_children(options_.softmax, depth + 1 == table_.id_length());
  };
  int32_t rank = 0;
  while (!path.empty()) {
    Visit& visit = path.back();
    const auto targets = trie_.targets_of(visit.node);
    if (visit.next_child == std::ssize(targets)) {
      path.pop_back();
      continue;
    }
    const int32_t target = targets[visit.next_child++];
    if (!ids::Trie::is_leaf(target)) {
      path.push_back({target, 0});
      continue;
    }
    const int32_t track = ids::Trie::track_of(target);
    rank_[track] = rank++;
    auto num_open = static_cast<int32_t>(path.size());
    while (num_open > 1 && is_certain(num_open - 1)) --num_open;
    num_open_[track] = num_open;
    const int64_t begin = table_.offsets[track] - track;
    for (size_t depth = 1; depth < path.size(); ++depth)
      paths_[begin + static_cast<int64_t>(depth) - 1] = path[depth].node;
  }
}

int32_t Packer::trie_node(int32_t track, int64_t depth) const {
  return depth == 0 ? 0 : paths_[table_.offsets[track] - track + depth - 1];
}

int32_t Packer::shared_tokens(int32_t a, int32_t b) const {
  const int32_t* a_begin = table_.tokens.data() + table_.offsets[a];
  const int32_t* b_begin = table_.tokens.data() + table_.offsets[b];
  const int64_t length = std::min(table_.offsets[a + 1] - table_.offsets[a],
                                  table_.offsets[b + 1] - table_.offsets[b]);
  int32_t shared = 0;
  while (shared < length && a_begin[shared] == b_begin[shared]) ++shared;
  return shared;
}

void Packer::sort_by_id(std::span<int32_t> tracks) const {
  std::sort(tracks.begin(), tracks.end(), [&](int32_t a, int32_t b) { return is_before(a, b); });
}

int64_t Packer::count_nodes(std::span<const int32_t> tracks_by_id) const {
  int64_t nodes = 0;
  int32_t shared = -1;
  for (size_t i = 0; i < tracks_by_id.size(); ++i) {
    if (i > 0) shared = shared_tokens(tracks_by_id[i - 1], tracks_by_id[i]);
    nodes += std::max(0, num_open_[tracks_by_id[i]] - (shared + 1));
  }
  return nodes;
}

// One entry a track of each title, in ID order: then every prefix is a run, and a prefix is met for
// the first time where fewer tokens than its own are shared with the entry before.
void Packer::gather_entries(std::span<const TitleGroup> groups) {
  entries_.clear();
  title_begin_.assign(1, 0);
  for (const TitleGroup& group : groups) {
    const int64_t num_tracks = std::ssize(group.tracks);
    TUTTI_CHECK(num_tracks > 0 && !group.title_tokens.empty());
    TUTTI_CHECK(group.weights.empty() || group.weights.size() == group.tracks.size());
    const auto weight = static_cast<float>(group_weight(num_tracks, options_.weighting) /
                                           static_cast<double>(num_tracks));
    for (int64_t i = 0; i < num_tracks; ++i) {
      entries_.push_back({.track = group.tracks[i],
                          .weight = group.weights.empty() ? weight : group.weights[i],
                          .shared = -1,
                          .node = -1});
    }
    const auto first = entries_.begin() + title_begin_.back();
    const auto by_id = [&](const Entry& a, const Entry& b) { return is_before(a.track, b.track); };
    if (!std::is_sorted(first, entries_.end(), by_id))
      std::stable_sort(first, entries_.end(), by_id);
    for (auto entry = first + 1; entry < entries_.end(); ++entry)
      entry->shared = shared_tokens((entry - 1)->track, entry->track);
    title_begin_.push_back(std::ssize(entries_));
  }
}

// The nodes of one depth and their targets; entries point to the nodes of the depth before.
void Packer::add_nodes(int64_t depth, PackedBatch& batch) {
  const bool list_children =
      checkpoints::is_over_children(options_.softmax, depth + 1 == table_.id_length());
  const int64_t first_node = batch.num_nodes(), max_depth = batch.max_depth;
  const int32_t first_token = table_.levels[depth].first_token;
  LevelTargets& targets = batch.levels[depth];
  for (int64_t b = 0; b < batch.num_titles; ++b) {
    for (int64_t i = title_begin_[b]; i < title_begin_[b + 1]; ++i) {
      Entry& entry = entries_[i];
      if (depth >= num_open_[entry.track]) continue;
      const int32_t* id = table_.tokens.data() + table_.offsets[entry.track];
      if (entry.shared < depth) {  // a prefix not met before
        const int64_t parent = entry.node;
        entry.node = batch.num_nodes();
        batch.input.push_back(depth == 0 ? -1 : id[depth - 1]);
        batch.title.push_back(b);
        batch.depth.push_back(depth);
        int64_t* path = batch.ancestors.data() + entry.node * max_depth;
        if (depth > 0) std::copy_n(batch.ancestors.data() + parent * max_depth, depth, path);
        std::fill(path + depth, path + max_depth, entry.node);
        if (list_children) {
          for (const int32_t token : trie_.tokens_of(trie_node(entry.track, depth))) {
            targets.child_row.push_back(entry.node - first_node);
            targets.child_column.push_back(token - first_token);
          }
        }
      } else {
        entry.node = batch.num_nodes() - 1;
      }
      if (entry.shared <= depth) {
        targets.row.push_back(entry.node - first_node);
        targets.column.push_back(id[depth] - first_token);
        targets.weight.push_back(entry.weight);
      } else {
        targets.weight.back() += entry.weight;
      }
    }
  }
  batch.depth_begin.push_back(batch.num_nodes());
}

void Packer::pack(std::span<const TitleGroup> groups, PackedBatch& batch) {
  gather_entries(groups);
  batch.softmax = options_.softmax;
  batch.num_titles = std::ssize(groups);
  batch.num_pairs = std::ssize(entries_);
  batch.weight = 0;
  batch.max_depth = 0;
  int64_t num_nodes = 0;
  for (const Entry& entry : entries_) {
    batch.max_depth = std::max<int64_t>(batch.max_depth, num_open_[entry.track]);
    num_nodes += std::max(0, num_open_[entry.track] - (entry.shared + 1));
  }

  batch.title_length = 0;
  batch.title_lengths.clear();
  batch.title_keys.clear();
  for (const TitleGroup& group : groups) {
    batch.weight += group.weights.empty()
                        ? group_weight(std::ssize(group.tracks), options_.weighting)
                        : std::accumulate(group.weights.begin(), group.weights.end(), 0.0);
    batch.title_length = std::max(batch.title_length, std::ssize(group.title_tokens));
    batch.title_lengths.push_back(std::ssize(group.title_tokens));
    batch.title_keys.push_back(group.key);
  }
  batch.title_tokens.assign(batch.num_titles * batch.title_length, 0);
  for (int64_t b = 0; b < batch.num_titles; ++b) {
    std::copy(groups[b].title_tokens.begin(), groups[b].title_tokens.end(),
              batch.title_tokens.begin() + b * batch.title_length);
  }

  batch.depth_begin.assign(1, 0);
  for (auto* column : {&batch.input, &batch.title, &batch.depth}) column->clear();
  batch.ancestors.resize(num_nodes * batch.max_depth);
  batch.levels.resize(batch.max_depth);
  for (int64_t depth = 0; depth < batch.max_depth; ++depth) {
    LevelTargets& targets = batch.levels[depth];
    for (auto* column : {&targets.row, &targets.column, &targets.child_row, &targets.child_column})
      column->clear();
    targets.weight.clear();
    add_nodes(depth, batch);
  }
  TUTTI_CHECK(batch.num_nodes() == num_nodes);
}

PackedBatch pack(std::span<const TitleGroup> groups, const ids::IdTable& table,
                 const ids::Trie& trie, const PackingOptions& options) {
  PackedBatch batch;
  Packer(table, trie, options).pack(groups, batch);
  return batch;
}

}  // namespace tutti::trainer
