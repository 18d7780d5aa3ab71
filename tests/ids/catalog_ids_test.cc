#include "ids/catalog_ids.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "ids/trie.h"
#include "tests/support/temp_folder.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

struct Named {
  const char *artist, *track;
};

data::Catalog catalog_of(const std::vector<Named>& tracks) {
  data::Catalog catalog;
  for (const auto& [artist, track] : tracks) {
    int32_t row = -1;
    for (int32_t a = 0; a < catalog.artist_names.size(); ++a) {
      if (catalog.artist_names[a] == artist) row = a;
    }
    if (row < 0 && *artist != '\0') {
      row = static_cast<int32_t>(catalog.artist_names.size());
      catalog.artist_keys.push_back(artist);
      catalog.artist_names.push_back(artist);
    }
    catalog.track_keys.push_back("t" + std::to_string(catalog.num_tracks()));
    catalog.track_names.push_back(track);
    catalog.track_artist.push_back(row);
  }
  return catalog;
}

data::Catalog some_catalog() {
  return catalog_of({{"Bach", "Air"},
                     {"Bach", "Fugue in G"},
                     {"Nina Simone", "Feeling Good"},
                     {"Muse", "Feeling Good"},
                     {"bach", "AIR"},
                     {"Bach", "Air"},
                     {"", "Air"},
                     {"Muse", "Starlight and other lights of the night"}});
}

CatalogIds build(const data::Catalog& catalog, CatalogIdOptions options,
                 std::vector<int32_t> popularity = {}) {
  popularity.resize(catalog.num_tracks(), 1);
  if (options.num_pieces == 2000) options.num_pieces = 330;  // a tiny corpus has no more
  return build_catalog_ids(catalog, popularity, options);
}

std::string spelled(const CatalogIds& ids, int64_t track) {
  std::string text;
  for (const int32_t token : ids.table.id_of(track)) {
    const std::string name = ids.table.token_name(token);
    text += name.starts_with("<T_") ? name.substr(3, name.size() - 4) : name;
  }
  return text;
}

std::vector<CatalogIdOptions> all_options() {
  std::vector<CatalogIdOptions> all = {{.strategy = CatalogStrategy::kArtistTrackName}};
  for (const bool tokens : {false, true}) {
    for (const auto strategy :
         {CatalogStrategy::kTrackInteger, CatalogStrategy::kArtistTrackInteger}) {
      all.push_back({.strategy = strategy, .integer_tokens = tokens});
    }
  }
  return all;
}

TEST(CatalogIds, AreATracksAloneAndNoPrefixOfAnother) {
  for (const auto& options : all_options()) {
    const auto ids = build(some_catalog(), options);
    EXPECT_NO_THROW(build_trie(ids.table)) << name_of(options.strategy);
    EXPECT_EQ(ids.table.num_tracks(), 8);
    EXPECT_EQ(ids.table.token_names.size(), options.integer_tokens ? 0 : ids.table.num_tokens());
  }
}

TEST(CatalogIds, AreTheSameAfterAStayInAFile) {
  for (const auto& options : all_options()) {
    const TempFolder dir;
    const auto ids = build(some_catalog(), options);
    write_id_table(dir.path() / "ids", ids.table, {}, false);
    const auto back = read_id_table(dir.path() / "ids").table;
    EXPECT_EQ(back.tokens, ids.table.tokens);
    EXPECT_EQ(back.offsets, ids.table.offsets);
    EXPECT_EQ(back.strategy, name_of(options.strategy));
    EXPECT_EQ(back.num_tokens(), ids.table.num_tokens());
    EXPECT_EQ(back.is_text(), !options.integer_tokens);
    EXPECT_EQ(back.token_name(1), ids.table.token_name(1));
  }
}

TEST(CatalogIds, SpellArtistAndTrack) {
  const auto ids = build(some_catalog(), {});
  std::string name = spelled(ids, 2);
  for (size_t at; (at = name.find("\u2581")) != std::string::npos;) name.replace(at, 3, " ");
  EXPECT_EQ(name, " nina simone _ feeling good<END>");
}

TEST(CatalogIds, NumberTracksOfOneNameByPopularityThenKey) {
  const auto ids = build(some_catalog(), {}, {1, 1, 1, 1, 5, 1, 1, 1});
  EXPECT_EQ(ids.coinciding, 3);  // 0, 4 and 5: case does not tell names apart
  EXPECT_THAT(spelled(ids, 4), testing::Not(HasSubstr("<#>")));
  EXPECT_THAT(spelled(ids, 0), testing::EndsWith("<#><#_2><END>"));
  EXPECT_THAT(spelled(ids, 5), testing::EndsWith("<#><#_3><END>"));
}

TEST(CatalogIds, CountNamesThatAreCutAndKeepThemApart) {
  const auto ids = build(some_catalog(), {.longest = 3});
  EXPECT_GT(ids.cut, 0);
  EXPECT_GT(ids.coinciding, 3);
  EXPECT_NO_THROW(build_trie(ids.table));
}

TEST(CatalogIds, OfIntegersInDigitsAreAPermutation) {
  const auto ids = build(some_catalog(), {.strategy = CatalogStrategy::kTrackInteger});
  std::set<std::string> numbers;
  for (int64_t t = 0; t < 8; ++t) numbers.insert(spelled(ids, t));
  EXPECT_THAT(numbers, testing::ElementsAre("0<END>", "1<END>", "2<END>", "3<END>", "4<END>",
                                            "5<END>", "6<END>", "7<END>"));
}

TEST(CatalogIds, GiveTracksOfAnArtistItsNumber) {
  const auto digits = build(some_catalog(), {.strategy = CatalogStrategy::kArtistTrackInteger});
  const auto artist_of = [&](int64_t t) {
    const auto id = spelled(digits, t);
    return id.substr(0, id.find('_'));
  };
  EXPECT_EQ(artist_of(0), artist_of(1));
  EXPECT_EQ(artist_of(3), artist_of(7));
  EXPECT_NE(artist_of(0), artist_of(3));
  EXPECT_NE(artist_of(0), artist_of(6));  // unknown
  const auto tokens = build(
      some_catalog(), {.strategy = CatalogStrategy::kArtistTrackInteger, .integer_tokens = true});
  EXPECT_EQ(tokens.table.id_of(0)[0], tokens.table.id_of(5)[0]);
  ASSERT_EQ(tokens.table.id_length(), 2);
  EXPECT_EQ(tokens.table.levels[0].num_tokens, 5);  // four spelled artists and the unknown one
  EXPECT_EQ(tokens.table.levels[1].num_tokens, 3);  // Bach has three
}

TEST(CatalogIds, OfOneTokenATrackEndWithASuffix) {
  const auto ids =
      build(some_catalog(), {.strategy = CatalogStrategy::kTrackInteger, .integer_tokens = true});
  std::set<int32_t> numbers;
  for (int64_t t = 0; t < 8; ++t) {
    ASSERT_EQ(ids.table.id_of(t).size(), 2U);
    numbers.insert(ids.table.id_of(t)[0]);
    EXPECT_EQ(ids.table.token_name(ids.table.id_of(t)[1]), "<S_0>");
  }
  EXPECT_EQ(numbers.size(), 8U);
}

TEST(CatalogIds, EndTextWithATokenThatStandsNowhereElse) {
  for (const auto& options : all_options()) {
    const auto ids = build(some_catalog(), options);
    if (!ids.table.is_text()) continue;
    for (int64_t t = 0; t < 8; ++t) {
      const auto id = ids.table.id_of(t);
      EXPECT_EQ(std::ranges::count(id, ids.table.end_token()), 1);
      EXPECT_EQ(id.back(), ids.table.end_token());
    }
  }
}

// A vocabulary that a model was trained with, not one made of these names.
data::Tokenizer known_vocabulary() {
  const std::vector<std::string> titles = {"rainy evening piano",   "feeling good", "air 123 45678",
                                           "songs of the night 90", "# 2",          "bach _ muse"};
  return data::Tokenizer::from_bytes(
      data::train_sentencepiece(titles, std::vector<int64_t>(titles.size(), 1),
                                {.num_pieces = 320}),
      "titles");
}

TEST(CatalogIds, KnowTheRowsOfAVocabularyThatIsGiven) {
  const auto vocabulary = known_vocabulary();
  for (const auto strategy :
       {CatalogStrategy::kArtistTrackName, CatalogStrategy::kArtistTrackInteger}) {
    const auto ids = build(some_catalog(), {.strategy = strategy, .tokenizer = &vocabulary});
    EXPECT_NO_THROW(build_trie(ids.table));
    const auto& [hash, pieces] = ids.table.token_pieces;
    EXPECT_EQ(hash, sha256_of_bytes(vocabulary.bytes().data(), std::ssize(vocabulary.bytes())));
    ASSERT_EQ(std::ssize(pieces), ids.table.num_tokens());
    EXPECT_EQ(pieces[ids.table.end_token()], data::Tokenizer::kEos);
    std::vector<int32_t> as_pieces;
    for (const int32_t token : ids.table.id_of(1)) as_pieces.push_back(pieces[token]);
    if (strategy == CatalogStrategy::kArtistTrackName) {
      EXPECT_EQ(as_pieces, vocabulary.encode("Bach _ Fugue in G"));
    }
    const TempFolder dir;
    write_id_table(dir.path() / "ids", ids.table, {}, false);
    EXPECT_EQ(read_id_table(dir.path() / "ids").table.token_pieces.pieces, pieces);
    EXPECT_EQ(read_id_table(dir.path() / "ids").table.token_pieces.vocabulary, hash);
  }
}

TEST(CatalogIds, FollowTheSeed) {
  const CatalogIdOptions options = {.strategy = CatalogStrategy::kTrackInteger, .seed = 1};
  auto other = options;
  other.seed = 2;
  EXPECT_EQ(build(some_catalog(), options).table.tokens,
            build(some_catalog(), options).table.tokens);
  EXPECT_NE(build(some_catalog(), options).table.tokens, build(some_catalog(), other).table.tokens);
}

TEST(CatalogIds, OfANameThatAnotherOneContinuesAreNotItsBeginning) {
  const auto vocabulary = known_vocabulary();
  const CatalogIdOptions options = {.tokenizer = &vocabulary};
  const auto pieces_of = [](const CatalogIds& ids, int64_t track) {
    std::vector<int32_t> pieces;
    for (const int32_t t : ids.table.id_of(track)) {
      pieces.push_back(ids.table.token_pieces.pieces[t]);
    }
    return pieces;
  };
  const auto before = build(catalog_of({{"Bach", "Air"}}), options);
  const auto after = build(catalog_of({{"Bach", "Air"}, {"Bach", "Air 123"}}), options);
  EXPECT_EQ(pieces_of(before, 0), pieces_of(after, 0));
  const auto known = pieces_of(before, 0), appended = pieces_of(after, 1);
  ASSERT_GE(appended.size(), known.size());
  EXPECT_TRUE(std::equal(known.begin(), known.end() - 1, appended.begin()));
  EXPECT_FALSE(std::equal(known.begin(), known.end(), appended.begin()));
}

TEST(CatalogIds, RefuseWhatMakesNoSense) {
  EXPECT_THROW(build(some_catalog(), {.integer_tokens = true}), UsageError);
  EXPECT_THROW(build(some_catalog(), {.longest = 0}), UsageError);
  const auto vocabulary = known_vocabulary();
  EXPECT_THROW(build(some_catalog(), {.strategy = CatalogStrategy::kTrackInteger,
                                      .integer_tokens = true,
                                      .tokenizer = &vocabulary}),
               UsageError);
  EXPECT_THROW(build(catalog_of({}), {}), DataError);
  EXPECT_EQ(catalog_strategy_from_name("semantic"), std::nullopt);
}

}  // namespace
}  // namespace tutti::ids
