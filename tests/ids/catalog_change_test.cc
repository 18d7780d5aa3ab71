#include "ids/catalog_change.h"

#include <gmock/gmock.h>

#include <set>

#include <gtest/gtest.h>

#include "ids/trie.h"
#include "tests/support/temp_folder.h"

namespace tutti::ids {
namespace {

using testing::ElementsAre;

data::StringTable keys_of(const std::vector<std::string>& keys) {
  data::StringTable table;
  for (const auto& key : keys) table.push_back(key);
  return table;
}

std::vector<int32_t> ids_of(std::span<const int32_t> id) {
  return {id.begin(), id.end()};
}

// Tracks a, b, c on path (0, 3): suffixes 5, 6, 7; d alone on (1, 2).
IdTable small_table() {
  IdTable table;
  table.strategy = "semantic";
  table.levels = {{0, 2}, {2, 3}, {5, 3}};
  for (const auto& id :
       std::vector<std::vector<int32_t>>{{0, 3, 5}, {0, 3, 6}, {0, 3, 7}, {1, 2, 5}}) {
    table.tokens.insert(table.tokens.end(), id.begin(), id.end());
    table.offsets.push_back(std::ssize(table.tokens));
  }
  return table;
}

TEST(CatalogChange, KnowsWhoStaysWhoIsNewWhoIsGoneAndWhoIsBack) {
  auto old = small_table();
  old.retired.add(std::vector<int32_t>{1, 4, 5}, "e");
  old.retired.add(std::vector<int32_t>{1, 4, 6}, "");  // of a track that moved
  const auto change =
      compare_catalogs(old, keys_of({"a", "b", "c", "d"}), keys_of({"x", "c", "e", "a", "d"}));
  EXPECT_THAT(change.known, ElementsAre(CatalogChange::kNew, 2, 4, 0, 3));
  EXPECT_THAT(change.removed, ElementsAre(1));
  EXPECT_EQ(change.num_survivors, 3);
  EXPECT_EQ(change.num_returning, 1);
  EXPECT_EQ(change.num_new, 1);
  EXPECT_THAT(ids_of(known_id(old, 4)), ElementsAre(1, 4, 5));
}

TEST(ContinueTable, GivesNewTracksFreeNumbersAndNeverThoseOfTracksThatAreGone) {
  const auto old = small_table();
  const auto old_keys = keys_of({"a", "b", "c", "d"});
  const auto keys = keys_of({"y", "a", "x", "z", "d"});  // b and c are gone
  const auto change = compare_catalogs(old, old_keys, keys);
  // y and x on the path of a; z alone on a path of its own.
  const std::vector<int32_t> codes{0, 1, 0, 1, 0, 1, 1, 2, 1, 0};
  const auto table =
      continue_table(old, old_keys, change, codes, {0, 1, 0, 0, 1}, {1, 9, 7, 2, 3}, keys);
  EXPECT_THAT(ids_of(table.id_of(1)), ElementsAre(0, 3, 5));  // a
  EXPECT_THAT(ids_of(table.id_of(4)), ElementsAre(1, 2, 5));  // d
  EXPECT_THAT(ids_of(table.id_of(2)), ElementsAre(0, 3, 8));  // x is more popular than y
  EXPECT_THAT(ids_of(table.id_of(0)), ElementsAre(0, 3, 9));
  EXPECT_THAT(ids_of(table.id_of(3)), ElementsAre(1, 4, 5));
  EXPECT_EQ(table.levels[2].num_tokens, 5);
  EXPECT_EQ(table.levels[2].first_token, 5);
  ASSERT_EQ(table.retired.size(), 2);
  EXPECT_EQ(table.retired.keys[0], "b");
  EXPECT_THAT(ids_of(table.retired.id_of(1, 3)), ElementsAre(0, 3, 7));
  // The trie offers what tracks have, and nothing that is retired.
  const auto trie = build_trie(table);
  const auto node = trie.find(trie.find(0, 0), 3);
  EXPECT_THAT(ids_of(trie.tokens_of(node)), ElementsAre(5, 8, 9));

  // c comes back to its own number; a track in its place takes none of the retired.
  const auto next_keys = keys_of({"y", "a", "x", "z", "d", "c", "w"});
  const auto next = compare_catalogs(table, keys, next_keys);
  auto next_codes = codes;
  next_codes.insert(next_codes.end(), {0, 1, 0, 1});
  const auto later = continue_table(table, keys, next, next_codes, {1, 1, 1, 1, 1, 1, 0},
                                    {1, 9, 7, 2, 3, 1, 1}, next_keys);
  EXPECT_THAT(ids_of(later.id_of(5)), ElementsAre(0, 3, 7));
  EXPECT_THAT(ids_of(later.id_of(6)), ElementsAre(0, 3, 10));
  ASSERT_EQ(later.retired.size(), 1);
  EXPECT_EQ(later.retired.keys[0], "b");
}

TEST(ContinueTable, RetiresTheIdsOfTracksThatMoveAndCountsThem) {
  const auto old = small_table();
  const auto keys = keys_of({"a", "b", "c", "d"});
  const auto change = compare_catalogs(old, keys, keys);
  // b moves to the path of d, d to another second code, c to another first one.
  const std::vector<int32_t> codes{0, 1, 1, 0, 1, 1, 1, 2};
  const auto table = continue_table(old, keys, change, codes, {1, 0, 0, 0}, {4, 3, 2, 1}, keys);
  EXPECT_THAT(ids_of(table.id_of(0)), ElementsAre(0, 3, 5));
  EXPECT_THAT(ids_of(table.id_of(1)), ElementsAre(1, 2, 6));  // 5 was d's
  EXPECT_THAT(ids_of(table.id_of(2)), ElementsAre(1, 3, 5));
  EXPECT_THAT(ids_of(table.id_of(3)), ElementsAre(1, 4, 5));
  EXPECT_EQ(table.retired.size(), 3);
  const auto churn = count_churn(old, change, table);
  EXPECT_EQ(churn.survivors, 4);
  EXPECT_EQ(churn.full, 3);
  EXPECT_EQ(churn.prefix1, 2);
  EXPECT_EQ(churn.prefix2, 3);
}

}  // namespace
}  // namespace tutti::ids
