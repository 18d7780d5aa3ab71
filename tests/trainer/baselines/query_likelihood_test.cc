#include "trainer/baselines/query_likelihood.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
#include "tests/trainer/tiny_playlists.h"

namespace tutti::trainer {
namespace {

TEST(QueryLikelihood, AgreesWithTheFormulaOnARandomCorpus) {
  const std::vector<std::string> words = {"a", "b", "c", "d", "e"};
  constexpr int kTracks = 25;
  TinyPlaylists playlists;
  std::vector<std::map<std::string, double>> documents(kTracks);
  std::map<std::string, double> collection;
  std::vector<double> lengths(kTracks, 0);
  double total = 0;
  Rng rng(7, Purpose::kTest);
  for (int i = 0; i < 40; ++i) {
    std::vector<std::string> title_words(1 + rng.below(3));
    std::string title;
    for (auto& word : title_words) {
      word = words[std::min(rng.below(5), rng.below(5))];
      title += word + " ";
    }
    std::vector<int32_t> tracks;
    for (int32_t t = 0; t < kTracks; ++t) {
      if (rng.below(6) == 0) tracks.push_back(t);
    }
    for (const int32_t t : tracks) {
      for (const auto& word : title_words) {
        ++documents[t][word];
        ++collection[word];
        ++lengths[t];
        ++total;
      }
    }
    playlists.add(title, tracks);
  }
  const auto index = Bm25Index::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  for (const double mu : {5.0, 500.0}) {
    QueryLikelihoodRanker ranker(index, popularity, mu);
    for (const std::vector<std::string>& query :
         {std::vector<std::string>{"a"}, {"b", "e"}, {"c", "zz", "d"}}) {
      std::string text;
      for (const auto& word : query) text += word + " ";
      const auto lists = ranker.rank(std::vector<std::string>{text}, 10);
      for (const auto& [track, score] : lists[0]) {
        double expected = 0;
        bool touched = false;
        for (const auto& word : query) {
          if (!collection.contains(word)) continue;
          const double p = collection[word] / total;
          const double tf = documents[track].contains(word) ? documents[track][word] : 0;
          touched = touched || tf > 0;
          expected += std::log((tf + mu * p) / (lengths[track] + mu)) - std::log(p);
        }
        if (touched) {
          EXPECT_NEAR(score, expected, 1e-4) << text << track;
        }
      }
    }
  }
}

TEST(QueryLikelihood, OfUnknownWordsIsPopularity) {
  TinyPlaylists playlists;
  playlists.add("rock", {2, 1});
  playlists.add("rock", {2});
  const auto index = Bm25Index::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  QueryLikelihoodRanker ranker(index, popularity, 10);
  const auto list = ranker.rank(std::vector<std::string>{"jazz"}, 2)[0];
  EXPECT_EQ(list[0].track, 2);
  EXPECT_EQ(list[1].track, 1);
}

}  // namespace
}  // namespace tutti::trainer
