#include "trainer/baselines/bm25.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dist/communicator.h"
#include "dist/runtime/rng.h"
#include "tests/trainer/tiny_playlists.h"
#include "trainer/baselines/tune.h"

namespace tutti::trainer {
namespace {

using testing::ElementsAre;

std::vector<int32_t> tracks_of(const std::vector<Recommendation>& list) {
  std::vector<int32_t> tracks(list.size());
  std::transform(list.begin(), list.end(), tracks.begin(), [](const auto& r) { return r.track; });
  return tracks;
}

TinyPlaylists small_corpus() {
  TinyPlaylists playlists;
  playlists.add("Rainy Piano", {0, 1});
  playlists.add("rainy evening", {0, 2});
  playlists.add("Summer Rock", {3, 4});
  playlists.add("rock rock", {3});
  playlists.add("piano", {5}, data::Part::kTest);
  return playlists;
}

TEST(Bm25Index, HoldsTheNormalisedTitlesOfTrainingPlaylistsOnly) {
  const TinyPlaylists playlists = small_corpus();
  const auto index = Bm25Index::build(playlists.titles, playlists.num_tracks(), playlists.source());
  EXPECT_EQ(index.num_documents(), 5);  // track 5 is only in a test playlist
  EXPECT_THAT(index.lengths(), ElementsAre(4, 2, 2, 4, 2, 0));
  EXPECT_DOUBLE_EQ(index.mean_length(), 14.0 / 5.0);

  const auto rainy = index.postings_of("rainy");
  ASSERT_EQ(rainy.size(), 3U);
  EXPECT_EQ(rainy[0].track, 0);
  EXPECT_EQ(rainy[0].count, 2);
  EXPECT_EQ(rainy[2].track, 2);
  const auto rock = index.postings_of("rock");
  ASSERT_EQ(rock.size(), 2U);
  EXPECT_EQ(rock[0].count, 3) << "once in 'Summer Rock', twice in 'rock rock'";
  EXPECT_TRUE(index.postings_of("jazz").empty());
  EXPECT_EQ(index.postings_of("piano").size(), 2U);
}

TEST(Bm25Ranker, FillsShortListsUpWithPopularTracks) {
  const TinyPlaylists playlists = small_corpus();
  const auto index = Bm25Index::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  Bm25Ranker ranker(index, popularity, {1.2, 0});
  const std::vector<std::string> titles = {"summer", "unheard words"};
  const auto lists = ranker.rank(titles, 4);
  // 3 and 4 hold the word, 3 is more popular; 0 is the most popular of the others, then row order.
  EXPECT_THAT(tracks_of(lists[0]), ElementsAre(3, 4, 0, 1));
  EXPECT_THAT(tracks_of(lists[1]), ElementsAre(0, 3, 1, 2));
  EXPECT_GT(lists[0][1].score, 0);
  EXPECT_EQ(lists[0][2].score, 0);
  EXPECT_EQ(ranker.rank(titles, 100)[0].size(), 6U) << "no list is longer than the catalog";
}

TEST(Bm25Ranker, AgreesWithTheFormulaOnARandomCorpus) {
  const std::vector<std::string> words = {"a", "b", "c", "d", "e", "f"};
  constexpr int kTracks = 30;
  TinyPlaylists playlists;
  std::vector<std::map<std::string, int>> documents(kTracks);
  Rng rng(5, Purpose::kTest);
  for (int i = 0; i < 60; ++i) {
    std::vector<std::string> title_words(1 + rng.below(3));
    std::string title;
    for (auto& word : title_words) {
      word = words[std::min(rng.below(6), rng.below(6))];
      title += (title.empty() ? "" : " ") + word;
    }
    std::vector<int32_t> tracks;
    for (int32_t t = 0; t < kTracks; ++t) {
      if (rng.below(5) == 0) tracks.push_back(t);
    }
    const auto part = i % 7 == 0 ? data::Part::kValidation : data::Part::kTrain;
    if (part == data::Part::kTrain) {
      for (int32_t t : tracks) {
        for (const auto& word : title_words) ++documents[t][word];
      }
    }
    playlists.add(title, tracks, part);
  }
  const auto index = Bm25Index::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);

  std::vector<double> lengths(kTracks, 0);
  double total = 0, num_documents = 0;
  for (int t = 0; t < kTracks; ++t) {
    for (const auto& [word, count] : documents[t]) lengths[t] += count;
    total += lengths[t];
    num_documents += lengths[t] > 0 ? 1 : 0;
  }
  for (const Bm25Parameters p : {Bm25Parameters{1.2, 0.75}, Bm25Parameters{30, 0}}) {
    Bm25Ranker ranker(index, popularity, p);
    const std::vector<std::string> queries = {"A b", "c", "f f e", "b d a c"};
    const auto lists = ranker.rank(queries, 12);
    for (size_t q = 0; q < queries.size(); ++q) {
      std::vector<std::pair<double, int32_t>> expected;  // minus score, place in popularity
      const std::string normalized = data::normalize_title(queries[q]);
      for (int32_t t = 0; t < kTracks; ++t) {
        double score = 0;
        for (const auto word : data::words_of(normalized)) {
          double n = 0;
          for (const auto& d : documents) n += d.contains(std::string(word)) ? 1 : 0;
          if (!documents[t].contains(std::string(word))) continue;
          const double tf = documents[t].at(std::string(word));
          const double norm = p.k1 * (1 - p.b + p.b * lengths[t] * num_documents / total);
          score += std::log(1 + (num_documents - n + 0.5) / (n + 0.5)) * tf / (tf + norm);
        }
        if (score > 0) expected.emplace_back(-score, t);
      }
      std::sort(expected.begin(), expected.end());
      ASSERT_GE(expected.size(), 12U);
      for (size_t i = 0; i < lists[q].size(); ++i) {
        EXPECT_NEAR(lists[q][i].score, -expected[i].first, 1e-5 * -expected[i].first);
      }
    }
  }
}

TEST(Bm25Ranker, WorksWhenNoTrainingPlaylistExists) {
  TinyPlaylists playlists;
  playlists.add("rain", {0, 1}, data::Part::kTest);
  const auto index = Bm25Index::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  Bm25Ranker ranker(index, popularity, {1.2, 0.75});
  const std::vector<std::string> titles = {"rain"};
  EXPECT_THAT(tracks_of(ranker.rank(titles, 5).front()), ElementsAre(0, 1));
}

// Track 0 is in every playlist of "rain", and in many others: its document is long. Only with b
// near 0 does it stand before tracks with one short title.
TEST(TuneBm25, PicksTheParametersThatFindPopularTracks) {
  TinyPlaylists playlists;
  for (int i = 0; i < 10; ++i) {
    playlists.add("rain", {0, 1 + i});
    playlists.add("other words altogether", {0});
  }
  playlists.add("rain", {0}, data::Part::kValidation);
  const auto index = Bm25Index::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  const auto queries = make_playlist_queries(playlists.titles, playlists.source(),
                                             {.part = data::Part::kValidation});
  const auto comm = make_single_communicator();
  const Bm25Grid grid = {.k1 = {1.2, 50}, .b = {1, 0}};
  const auto best = tune_bm25(index, popularity, {queries.seen, queries.unseen}, 1, *comm, grid);
  EXPECT_EQ(best.b, 0);
  EXPECT_EQ(best.k1, 1.2) << "50 is as good with b = 0, but later in the grid";
}

TEST(TuneBm25, KeepsLucenesValuesWithoutQueries) {
  const TinyPlaylists playlists = small_corpus();
  const auto index = Bm25Index::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  const auto comm = make_single_communicator();
  const auto best = tune_bm25(index, popularity, {}, 10, *comm);
  EXPECT_EQ(best.k1, 1.2);
  EXPECT_EQ(best.b, 0.75);
}

}  // namespace
}  // namespace tutti::trainer
