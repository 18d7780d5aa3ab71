#include "trainer/packing.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/trainer/small_world.h"

namespace tutti::trainer {
namespace {

class Packing : public testing::Test {
 protected:
  static constexpr int64_t kTracks = 300;

  std::vector<TitleGroup> groups() const {
    std::vector<TitleGroup> groups;
    for (const OwnedGroup& g : owned_) groups.push_back({g.title_tokens, g.tracks});
    return groups;
  }
  PackedBatch packed(const PackingOptions& options) const {
    return pack(groups(), table_, trie_, options);
  }

  // The tokens fed on the way to a node.
  static std::vector<int64_t> prefix_of(const PackedBatch& batch, int64_t node, int64_t depth) {
    std::vector<int64_t> prefix;
    for (int64_t d = 1; d <= depth; ++d)
      prefix.push_back(batch.input[batch.ancestors[node * batch.max_depth + d]]);
    return prefix;
  }

  ids::IdTable table_ = random_id_table(kTracks, 5, 3);
  ids::Trie trie_ = ids::build_trie(table_);
  std::vector<OwnedGroup> owned_ = random_groups(7, kTracks, 40, 5);
};

class PackingOf : public Packing, public testing::WithParamInterface<checkpoints::Softmax> {};

// A prefix counts when some later token of the ID can still be another one.
TEST_P(PackingOf, HasOneNodeForEachDistinctPrefixOfATitleThatIsNotCertain) {
  const PackedBatch batch = packed({.softmax = GetParam()});
  std::set<std::pair<int64_t, std::vector<int64_t>>> expected;
  for (size_t b = 0; b < owned_.size(); ++b) {
    for (int32_t track : owned_[b].tracks) {
      const auto id = table_.id_of(track);
      std::vector<bool> is_open;
      int32_t node = 0;
      for (size_t depth = 0; depth < id.size(); ++depth) {
        is_open.push_back(trie_.tokens_of(node).size() > 1 ||
                          !is_over_children(GetParam(), depth + 1 == id.size()));
        node = trie_.find(node, id[depth]);
      }
      for (size_t depth = 0; depth < id.size(); ++depth) {
        if (std::none_of(is_open.begin() + static_cast<int64_t>(depth), is_open.end(),
                         [](bool open) { return open; }))
          continue;
        expected.insert(
            {static_cast<int64_t>(b), {id.begin(), id.begin() + static_cast<int64_t>(depth)}});
      }
    }
  }
  std::set<std::pair<int64_t, std::vector<int64_t>>> found;
  for (int64_t depth = 0; depth < batch.max_depth; ++depth) {
    for (int64_t node = batch.depth_begin[depth]; node < batch.depth_begin[depth + 1]; ++node) {
      EXPECT_TRUE(found.insert({batch.title[node], prefix_of(batch, node, depth)}).second)
          << "a prefix stands twice";
      EXPECT_EQ(batch.ancestors[node * batch.max_depth + depth], node);
    }
  }
  EXPECT_EQ(found, expected);
}

TEST_P(PackingOf, CountsTheNodesOfATitleAsItPacksThem) {
  Packer packer(table_, trie_, {.softmax = GetParam()});
  PackedBatch batch;
  for (OwnedGroup& group : owned_) {
    const TitleGroup one{.title_tokens = group.title_tokens, .tracks = group.tracks};
    packer.pack(std::span(&one, 1), batch);
    packer.sort_by_id(group.tracks);
    EXPECT_EQ(packer.count_nodes(group.tracks), batch.num_nodes());
  }
}

TEST_P(PackingOf, ListsTheChildrenThatExistWhereTheSoftmaxIsOverThem) {
  const PackedBatch batch = packed({.softmax = GetParam()});
  for (int64_t depth = 0; depth < batch.max_depth; ++depth) {
    const LevelTargets& targets = batch.levels[depth];
    if (!is_over_children(GetParam(), depth + 1 == table_.id_length())) {
      EXPECT_TRUE(targets.child_row.empty());
      continue;
    }
    std::map<int64_t, std::vector<int32_t>> children;
    for (size_t i = 0; i < targets.child_row.size(); ++i) {
      children[targets.child_row[i]].push_back(static_cast<int32_t>(targets.child_column[i]) +
                                               table_.levels[depth].first_token);
    }
    for (int64_t node = batch.depth_begin[depth]; node < batch.depth_begin[depth + 1]; ++node) {
      int32_t trie_node = 0;
      for (int64_t token : prefix_of(batch, node, depth))
        trie_node = trie_.find(trie_node, static_cast<int32_t>(token));
      const auto expected = trie_.tokens_of(trie_node);
      EXPECT_EQ(children[node - batch.depth_begin[depth]],
                std::vector<int32_t>(expected.begin(), expected.end()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Softmaxes, PackingOf,
                         testing::Values(checkpoints::Softmax::kLevel, checkpoints::Softmax::kTrie,
                                         checkpoints::Softmax::kFull),
                         [](const auto& param_info) {
                           return checkpoints::name_of(param_info.param);
                         });

TEST_F(Packing, TargetsCarryTheWeightOfAllPairsAtEveryLevelThatIsNotCertain) {
  for (const Weighting weighting : {Weighting::kPair, Weighting::kPlaylist}) {
    const PackedBatch batch = packed({.weighting = weighting});
    for (int64_t depth = 0; depth + 1 < table_.id_length(); ++depth) {
      double sum = 0;
      for (float w : batch.levels[depth].weight) sum += w;
      EXPECT_NEAR(sum, batch.weight, 1e-4);
    }
  }
  EXPECT_NEAR(packed({.weighting = Weighting::kPlaylist}).weight,
              static_cast<double>(owned_.size()), 1e-9);
}

TEST_F(Packing, OfGroupsInAnyTrackOrderIsTheSameAndSoIsAReusedBuffer) {
  const PackedBatch expected = packed({});
  Packer packer(table_, trie_, {});
  PackedBatch batch;
  std::vector<OwnedGroup> other = random_groups(20, kTracks, 60, 6);
  std::vector<TitleGroup> others;
  for (const OwnedGroup& g : other) others.push_back({g.title_tokens, g.tracks});
  packer.pack(others, batch);
  for (OwnedGroup& group : owned_) packer.sort_by_id(group.tracks);
  packer.pack(groups(), batch);
  EXPECT_EQ(batch.input, expected.input);
  EXPECT_EQ(batch.ancestors, expected.ancestors);
  EXPECT_EQ(batch.title_tokens, expected.title_tokens);
  EXPECT_EQ(batch.depth_begin, expected.depth_begin);
  ASSERT_EQ(batch.levels.size(), expected.levels.size());
  for (size_t d = 0; d < batch.levels.size(); ++d) {
    EXPECT_EQ(batch.levels[d].column, expected.levels[d].column);
    EXPECT_EQ(batch.levels[d].weight, expected.levels[d].weight);
    EXPECT_EQ(batch.levels[d].child_column, expected.levels[d].child_column);
  }
}

// Two playlists of 2 and 3 tracks under one title, a track in both.
TEST_F(Packing, TakesAWeightForEachTrackAndAddsThemWhereATrackStandsTwice) {
  const std::vector<int32_t> title = {5, 1}, tracks = {1, 2, 2, 3, 4};
  const std::vector<float> weights = {0.5F, 0.5F, 0.25F, 0.25F, 0.5F};
  const TitleGroup group{.title_tokens = title, .tracks = tracks, .weights = weights};
  const PackedBatch batch = pack(std::span(&group, 1), table_, trie_);
  EXPECT_EQ(batch.num_pairs, 5);
  EXPECT_DOUBLE_EQ(batch.weight, 2.0);
  std::map<int64_t, float> expected, found;
  for (size_t i = 0; i < tracks.size(); ++i)
    expected[table_.id_of(tracks[i])[0] - table_.levels[0].first_token] += weights[i];
  for (size_t i = 0; i < batch.levels[0].column.size(); ++i)
    found[batch.levels[0].column[i]] += batch.levels[0].weight[i];
  EXPECT_EQ(found, expected);
}

TEST_F(Packing, OfNoGroupsIsEmpty) {
  const PackedBatch batch = pack({}, table_, trie_);
  EXPECT_EQ(batch.num_nodes(), 0);
  EXPECT_EQ(batch.weight, 0);
}

}  // namespace
}  // namespace tutti::trainer
