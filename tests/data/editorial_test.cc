#include "data/editorial.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "data/synth/tag_words.h"
#include "tests/data/catalogs.h"

namespace tutti::data {
namespace {

std::vector<int32_t> tracks_by_brute_force(const Catalog& catalog, const EditorialQuery& query) {
  std::vector<int32_t> tracks;
  for (int32_t t = 0; t < catalog.num_tracks(); ++t) {
    const auto tags = catalog.tags_of(t);
    const bool all = std::all_of(query.tags.begin(), query.tags.end(), [&](int32_t tag) {
      return std::find(tags.begin(), tags.end(), tag) != tags.end();
    });
    if (all) tracks.push_back(t);
  }
  return tracks;
}

TEST(Editorial, AsksForExactlyTheTracksThatCarryAllTags) {
  const Catalog catalog = small_catalog(4000);
  const auto queries = make_editorial_queries(catalog, {.num_queries = 60});
  EXPECT_EQ(queries.size(), 60U);
  EXPECT_EQ(queries.back().tags.size(), 3U);
  for (const auto& query : queries) {
    EXPECT_EQ(query.relevant, tracks_by_brute_force(catalog, query)) << query.prompt;
    EXPECT_GE(query.relevant.size(), 10U);
  }
}

TEST(Editorial, FindsEveryTagSetThatEnoughTracksCarry) {
  const Catalog catalog = small_catalog(4000);
  std::set<std::set<int32_t>> expected;
  for (int32_t a = 0; a < 12; ++a) {
    for (int32_t b = a + 1; b < 12; ++b) {
      if (tracks_by_brute_force(catalog, {"", {a, b}, {}}).size() >= 10) expected.insert({a, b});
      for (int32_t c = b + 1; c < 12; ++c) {
        if (tracks_by_brute_force(catalog, {"", {a, b, c}, {}}).size() >= 10) {
          expected.insert({a, b, c});
        }
      }
    }
  }
  std::set<std::set<int32_t>> found;
  for (const auto& query : make_editorial_queries(catalog, {.num_queries = 10000})) {
    EXPECT_TRUE(found.emplace(query.tags.begin(), query.tags.end()).second) << query.prompt;
  }
  EXPECT_EQ(found, expected);
}

TEST(Editorial, WritesThePromptInThePlainWordsOfTheTagsMoodsFirst) {
  const Catalog catalog = small_catalog(4000);
  for (const auto& query : make_editorial_queries(catalog, {.num_queries = 40})) {
    std::string words;
    for (size_t i = 0; i < query.tags.size(); ++i) {
      const auto name = catalog.tag_names[query.tags[i]];
      if (i > 0) {
        EXPECT_LE(kind_of_tag(catalog.tag_names[query.tags[i - 1]]), kind_of_tag(name));
        words += " ";
      }
      words += plain_words_of_tag(name);
    }
    EXPECT_EQ(query.prompt, words);
  }
}

TEST(Editorial, ChoosesTheSameQueriesForASeedAndOthersForAnother) {
  const Catalog catalog = small_catalog(800);
  const auto prompts = [&](uint64_t seed) {
    std::vector<std::string> all;
    for (const auto& query : make_editorial_queries(catalog, {.num_queries = 20, .seed = seed})) {
      all.push_back(query.prompt);
    }
    return all;
  };
  EXPECT_EQ(prompts(1), prompts(1));
  EXPECT_NE(prompts(1), prompts(2));
}

TEST(Editorial, MakesFiveHundredDistinctQueriesFromTheBundledCatalogue) {
  const auto queries = make_editorial_queries(bundled_catalog(), {});
  ASSERT_EQ(queries.size(), 500U);
  std::set<std::string> prompts;
  int64_t triples = 0;
  for (const auto& query : queries) {
    EXPECT_TRUE(prompts.insert(query.prompt).second) << query.prompt;
    EXPECT_GE(query.relevant.size(), 10U);
    EXPECT_TRUE(std::is_sorted(query.relevant.begin(), query.relevant.end()));
    triples += query.tags.size() == 3;
  }
  EXPECT_EQ(triples, 250);
}

TEST(Editorial, IsEmptyForACatalogueWithoutTags) {
  Catalog catalog = small_catalog(50);
  catalog.tags.clear();
  catalog.tag_offsets.assign(51, 0);
  EXPECT_TRUE(make_editorial_queries(catalog, {}).empty());
}

}  // namespace
}  // namespace tutti::data
