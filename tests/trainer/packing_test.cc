#include "trainer/packing.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/trainer/small_world.h"

namespace tutti::trainer {
namespace {

class Packing : public testing::Test {
 protected:
  static constexpr int64_t kTracks = 300;

  PackedBatch packed(Weighting weighting) const {
    std::vector<TitleGroup> groups;
    for (const OwnedGroup& g : owned_) groups.push_back({g.title_tokens, g.tracks});
    return pack(groups, table_, trie_, weighting);
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

TEST_F(Packing, HasOneNodeForEachDistinctPrefixOfATitleThatIsNotCertain) {
  const PackedBatch batch = packed(Weighting::kPair);
  std::set<std::pair<int64_t, std::vector<int64_t>>> expected;
  for (size_t b = 0; b < owned_.size(); ++b) {
    for (int32_t track : owned_[b].tracks) {
      const auto id = table_.id_of(track);
      int32_t node = 0;
      for (size_t length = 0; length < id.size(); ++length) {
        if (length + 1 < id.size() || trie_.tokens_of(node).size() > 1) {
          expected.insert(
              {static_cast<int64_t>(b), {id.begin(), id.begin() + static_cast<int64_t>(length)}});
        }
        node = trie_.find(node, id[length]);
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

TEST_F(Packing, TargetsCarryTheWeightOfAllPairsAtEveryLevelThatIsNotCertain) {
  for (const Weighting weighting : {Weighting::kPair, Weighting::kPlaylist}) {
    const PackedBatch batch = packed(weighting);
    for (int64_t depth = 0; depth + 1 < table_.id_length(); ++depth) {
      double sum = 0;
      for (float w : batch.levels[depth].weight) sum += w;
      EXPECT_NEAR(sum, batch.weight, 1e-4);
    }
  }
  EXPECT_NEAR(packed(Weighting::kPlaylist).weight, static_cast<double>(owned_.size()), 1e-9);
}

TEST_F(Packing, ListsEveryChildThatExistsAtTheLastLevel) {
  const PackedBatch batch = packed(Weighting::kPair);
  ASSERT_EQ(batch.max_depth, 4) << "the catalog is small enough for shared codes";
  std::map<int64_t, int64_t> children;
  for (int64_t row : batch.levels[3].child_row) ++children[row];
  for (int64_t node = batch.depth_begin[3]; node < batch.depth_begin[4]; ++node) {
    int32_t trie_node = 0;
    for (int64_t token : prefix_of(batch, node, 3))
      trie_node = trie_.find(trie_node, static_cast<int32_t>(token));
    EXPECT_EQ(children[node - batch.depth_begin[3]], std::ssize(trie_.tokens_of(trie_node)));
  }
}

TEST_F(Packing, OfNoGroupsIsEmpty) {
  const PackedBatch batch = pack({}, table_, trie_, Weighting::kPair);
  EXPECT_EQ(batch.num_nodes(), 0);
  EXPECT_EQ(batch.weight, 0);
}

}  // namespace
}  // namespace tutti::trainer
