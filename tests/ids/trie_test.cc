#include "ids/trie.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::ids {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

IdTable table_of(const std::vector<std::vector<int32_t>>& ids, int32_t num_tokens) {
  IdTable table;
  table.levels = {{0, num_tokens}};
  for (const auto& id : ids) {
    table.tokens.insert(table.tokens.end(), id.begin(), id.end());
    table.offsets.push_back(static_cast<int64_t>(table.tokens.size()));
  }
  return table;
}

std::string error_of(const IdTable& table) {
  try {
    build_trie(table);
  } catch (const DataError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Trie, KeepsNodesBreadthFirstAndTokensAscending) {
  const auto trie = build_trie(table_of({{2, 5}, {1, 6}, {1, 5}}, 7));
  EXPECT_THAT(trie.row, ElementsAre(0, 2, 4, 5));
  EXPECT_THAT(trie.token, ElementsAre(1, 2, 5, 6, 5));
  EXPECT_THAT(trie.target,
              ElementsAre(1, 2, Trie::leaf_target(2), Trie::leaf_target(1), Trie::leaf_target(0)));
}

TEST(Trie, AgreesWithAMapOfPrefixesOnRandomIdsOfMixedLength) {
  Rng rng(7, Purpose::kTest);
  std::set<std::vector<int32_t>> distinct;
  while (distinct.size() < 300) {
    std::vector<int32_t> id(2 + rng.below(3));
    for (auto& token : id) token = static_cast<int32_t>(rng.below(6));
    id.push_back(6);  // ends an ID, so none is a prefix of another
    distinct.insert(id);
  }
  std::vector<std::vector<int32_t>> ids(distinct.begin(), distinct.end());
  std::reverse(ids.begin(), ids.end());
  const auto trie = build_trie(table_of(ids, 7));

  std::map<std::vector<int32_t>, std::set<int32_t>> children;
  for (const auto& id : ids) {
    for (size_t n = 0; n < id.size(); ++n) children[{id.begin(), id.begin() + n}].insert(id[n]);
  }
  ASSERT_EQ(trie.num_nodes(), static_cast<int64_t>(children.size()));
  for (const auto& [prefix, expected] : children) {
    int32_t node = 0;
    for (int32_t token : prefix) node = trie.find(node, token);
    ASSERT_GE(node, 0);
    EXPECT_THAT(std::vector<int32_t>(trie.tokens_of(node).begin(), trie.tokens_of(node).end()),
                testing::ElementsAreArray(expected));
  }
  for (size_t track = 0; track < ids.size(); ++track) {
    int32_t at = 0;
    for (int32_t token : ids[track]) at = trie.find(at, token);
    ASSERT_TRUE(Trie::is_leaf(at));
    EXPECT_EQ(Trie::track_of(at), static_cast<int32_t>(track));
  }
  int32_t depth_of_previous = 0;  // nodes of one depth are consecutive
  std::vector<int32_t> depth(trie.num_nodes(), 0);
  for (int32_t node = 0; node < trie.num_nodes(); ++node) {
    EXPECT_GE(depth[node], depth_of_previous);
    depth_of_previous = depth[node];
    for (int32_t target : trie.targets_of(node)) {
      if (!Trie::is_leaf(target)) depth[target] = depth[node] + 1;
    }
  }
}

TEST(Trie, FindsNothingWhereNoEdgeIs) {
  const auto trie = build_trie(table_of({{1, 3}, {2, 3}}, 4));
  EXPECT_EQ(trie.find(0, 0), Trie::kNone);
  EXPECT_EQ(trie.find(0, 3), Trie::kNone);
  EXPECT_FALSE(Trie::is_leaf(Trie::kNone));
}

TEST(Trie, OfNoTracksIsARootAlone) {
  const auto trie = build_trie(table_of({}, 4));
  EXPECT_EQ(trie.num_nodes(), 1);
  EXPECT_EQ(trie.num_edges(), 0);
}

TEST(Trie, NamesBothTracksThatShareAnId) {
  const auto message = error_of(table_of({{1, 2}, {3, 1}, {1, 2}}, 4));
  EXPECT_THAT(message, HasSubstr("tracks 0 and 2"));
  EXPECT_THAT(message, HasSubstr("[1 2]"));
}

TEST(Trie, NamesBothTracksWhenAnIdIsAPrefixOfAnother) {
  const auto message = error_of(table_of({{1, 2, 3}, {0}, {1, 2}}, 4));
  EXPECT_THAT(message, HasSubstr("tracks 2 and 0"));
  EXPECT_THAT(message, HasSubstr("[1 2] is a prefix of [1 2 3]"));
}

TEST(Trie, RefusesEmptyIdsAndTokensOutOfRange) {
  EXPECT_THAT(error_of(table_of({{1}, {}}, 4)), HasSubstr("track 1: found an empty ID"));
  EXPECT_THAT(error_of(table_of({{4}}, 4)), HasSubstr("ID token 4"));
  EXPECT_THAT(error_of(table_of({{-1}}, 4)), HasSubstr("ID token -1"));
}

}  // namespace
}  // namespace tutti::ids
