#include "trainer/baselines/title_vote.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"
#include "tests/trainer/tiny_playlists.h"

namespace tutti::trainer {
namespace {

using testing::ElementsAre;

std::vector<int32_t> tracks_of(const std::vector<Recommendation>& list) {
  std::vector<int32_t> tracks;
  tracks.reserve(list.size());
  for (const auto& r : list) tracks.push_back(r.track);
  return tracks;
}

TinyPlaylists small_corpus() {
  TinyPlaylists playlists;
  playlists.add("Rainy Day", {0, 1});
  playlists.add("rainy day", {0, 2});
  playlists.add("Rainy Night", {3});
  playlists.add("summer", {4, 5});
  playlists.add("rainy day", {5}, data::Part::kTest);
  return playlists;
}

TEST(TitleIndex, CountsTheTrainingPlaylistsOfANormalisedTitleThatHoldATrack) {
  const TinyPlaylists playlists = small_corpus();
  const auto index =
      TitleIndex::build(playlists.titles, playlists.num_tracks(), playlists.source());
  EXPECT_EQ(index.num_titles(), 3);
  EXPECT_THAT(index.titles_with("rainy"), ElementsAre(0, 1));
  EXPECT_TRUE(index.titles_with("jazz").empty());
  EXPECT_EQ(index.playlists_of(0), 2);
  ASSERT_EQ(index.votes_of(0).size(), 3U) << "track 5 is in a test playlist only";
  EXPECT_EQ(index.votes_of(0)[0].playlists, 2);
  EXPECT_EQ(index.votes_of(0)[1].playlists, 1);
  EXPECT_FLOAT_EQ(index.idf_of("rainy"), std::log(1 + 3.0 / 2));
  EXPECT_FLOAT_EQ(index.weight_of(1), std::log(1 + 3.0 / 2) + std::log(1 + 3.0));
}

TEST(TitleVote, PrefersTheSameTitleThenSimilarOnesThenPopularity) {
  const TinyPlaylists playlists = small_corpus();
  const auto index =
      TitleIndex::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  TitleVoteRanker ranker(index, popularity, {.num_neighbours = 10, .shrinkage = 0});
  const auto lists = ranker.rank(std::vector<std::string>{"RAINY day!", "unheard", ""}, 6);
  EXPECT_THAT(tracks_of(lists[0]), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_FLOAT_EQ(lists[0][0].score, 1);
  EXPECT_FLOAT_EQ(lists[0][1].score, 0.5);
  EXPECT_EQ(tracks_of(lists[1]), popularity.order());
  EXPECT_EQ(tracks_of(lists[2]), popularity.order());
}

TEST(TitleVote, ShrinksTheVotesOfTitlesWithFewPlaylists) {
  TinyPlaylists playlists;
  playlists.add("rock", {0});
  for (int i = 0; i < 9; ++i) playlists.add("rock hits", {1});
  playlists.add("rock hits", {2});
  const auto index =
      TitleIndex::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  const std::vector<std::string> query = {"rock"};
  TitleVoteRanker trusting(index, popularity, {.alpha = 0, .beta = 0, .shrinkage = 0});
  EXPECT_EQ(trusting.rank(query, 1)[0][0].track, 0);
  TitleVoteRanker careful(index, popularity, {.alpha = 0, .beta = 0, .shrinkage = 10});
  EXPECT_EQ(careful.rank(query, 1)[0][0].track, 1);
}

TEST(TitleVote, FollowsOnlyTheNearestTitles) {
  const TinyPlaylists playlists = small_corpus();
  const auto index =
      TitleIndex::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  TitleVoteRanker ranker(index, popularity, {.num_neighbours = 1});
  const auto list = ranker.rank(std::vector<std::string>{"rainy day"}, 6)[0];
  for (const auto& r : list) {
    if (r.track == 3) {
      EXPECT_EQ(r.score, 0);
    }
  }
}

TEST(TitleVote, AgreesWithTheFormulaOnARandomCorpus) {
  const std::vector<std::string> words = {"a", "b", "c", "d", "e", "f"};
  constexpr int kTracks = 20;
  TinyPlaylists playlists;
  std::map<std::set<std::string>, std::pair<int, std::map<int32_t, int>>> titles;
  Rng rng(6, Purpose::kTest);
  for (int i = 0; i < 50; ++i) {
    std::set<std::string> title_words;
    for (uint64_t w = 0; w <= rng.below(3); ++w) title_words.insert(words[rng.below(6)]);
    std::string title;
    for (const auto& word : title_words) title += (title.empty() ? "" : " ") + word;
    std::vector<int32_t> tracks;
    for (int32_t t = 0; t < kTracks; ++t) {
      if (rng.below(4) == 0) tracks.push_back(t);
    }
    auto& [count, votes] = titles[title_words];
    ++count;
    for (const int32_t t : tracks) ++votes[t];
    playlists.add(title, tracks);
  }
  const auto idf = [&](const std::string& word) {
    double holders = 0;
    for (const auto& [title, unused] : titles) holders += title.contains(word) ? 1 : 0;
    return std::log(1 + static_cast<double>(titles.size()) / std::max(holders, 1.0));
  };
  const TitleVoteParameters p = {.num_neighbours = 1000, .alpha = 0.3, .beta = 0.7, .shrinkage = 2};
  const auto index =
      TitleIndex::build(playlists.titles, playlists.num_tracks(), playlists.source());
  const PopularityRanker popularity(playlists.train_counts);
  TitleVoteRanker ranker(index, popularity, p);
  for (const std::set<std::string>& query :
       {std::set<std::string>{"a", "b"}, {"c"}, {"d", "e", "zz"}}) {
    std::vector<double> expected(kTracks, 0);
    for (const auto& [title, content] : titles) {
      double common = 0, only_query = 0, only_title = 0;
      for (const auto& word : query) (title.contains(word) ? common : only_query) += idf(word);
      for (const auto& word : title) only_title += query.contains(word) ? 0 : idf(word);
      if (common == 0) continue;
      const double similarity = common / (common + p.alpha * only_query + p.beta * only_title);
      for (const auto& [track, count] : content.second) {
        expected[track] += similarity * count / (content.first + p.shrinkage);
      }
    }
    std::string text;
    for (const auto& word : query) text += word + " ";
    const auto lists = ranker.rank(std::vector<std::string>{text}, kTracks);
    for (const auto& [track, score] : lists[0]) {
      EXPECT_NEAR(score, expected[track], 1e-5) << text << track;
    }
  }
}

}  // namespace
}  // namespace tutti::trainer
