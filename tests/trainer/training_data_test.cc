#include "trainer/training_data.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include <gtest/gtest.h>

#include "data/requests.h"
#include "data/sampler.h"
#include "tests/trainer/small_training_set.h"
#include "trainer/prefetcher.h"

namespace tutti::trainer {
namespace {

class TrainingDataTest : public testing::Test {
 protected:
  static constexpr int64_t kPlaylists = SmallTrainingSet::kPlaylists;

  TrainingData data_of(const TrainingDataOptions& options) const {
    return {set_.dataset(), set_.tokenizer(), set_.table(), options};
  }
  // The playlists of a step, and the normalised title of each.
  static std::vector<int64_t> items_of(int64_t step, const TrainingDataOptions& o) {
    return data::items_of_step(step, o.titles_per_step, kPlaylists, o.window, o.seed);
  }
  int32_t title_of(int64_t playlist) const {
    return set_.dataset().titles().normalized_of[all_.titles[playlist]];
  }
  // What pair by pair training would sum for each first ID token of the step.
  std::map<int64_t, double> token_weights(int64_t step, const TrainingDataOptions& o) const {
    std::map<int64_t, double> weights;
    for (const int64_t p : items_of(step, o)) {
      const auto tracks = all_.tracks_of(p);
      const double pair = group_weight(std::ssize(tracks), o.packing.weighting) /
                          static_cast<double>(tracks.size());
      for (const int32_t track : tracks) weights[set_.table().id_of(track)[0]] += pair;
    }
    return weights;
  }
  static std::map<int64_t, double> token_weights(const TrainingData::Step& step) {
    std::map<int64_t, double> weights;
    for (const PackedBatch& batch : step.micro_batches()) {
      for (size_t i = 0; i < batch.levels[0].column.size(); ++i)
        weights[batch.levels[0].column[i]] += batch.levels[0].weight[i];
    }
    return weights;
  }
  static void expect_near(const std::map<int64_t, double>& found,
                          const std::map<int64_t, double>& expected, double tolerance) {
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [token, weight] : expected)
      EXPECT_NEAR(found.at(token), weight, tolerance) << "token " << token;
  }

  SmallTrainingSet set_;
  data::PlaylistBlock all_ = set_.dataset().read(0, kPlaylists);
};

TEST_F(TrainingDataTest, EveryEpochTrainsEveryPlaylistOnceAtAnyWorldSize) {
  TrainingData data = data_of({.titles_per_step = 6, .window = 16, .seed = 4});
  TrainingData::Step step;
  int64_t pairs = 0;
  for (int64_t s = 0; s < kPlaylists / 6; ++s) {
    for (int rank = 0; rank < 2; ++rank) {
      data.make_step(s, rank, 2, step);
      for (const PackedBatch& batch : step.micro_batches()) pairs += batch.num_pairs;
    }
  }
  EXPECT_EQ(pairs, set_.dataset().num_entries());
  EXPECT_DOUBLE_EQ(step.epoch, 1.0);
}

TEST_F(TrainingDataTest, CountsWhatAllRanksTrainInAStep) {
  TrainingData data = data_of({.titles_per_step = 9, .window = 16, .seed = 4, .micro_batch = 2});
  TrainingData::Step step;
  int64_t pairs = 0, nodes = 0, tokens = 0;
  double weight = 0;
  for (int rank = 0; rank < 3; ++rank) {
    data.make_step(2, rank, 3, step);
    for (const PackedBatch& batch : step.micro_batches()) {
      EXPECT_LE(batch.num_titles, 2);
      pairs += batch.num_pairs;
      nodes += batch.num_nodes();
      weight += batch.weight;
      for (const int64_t length : batch.title_lengths) tokens += length;
    }
  }
  EXPECT_EQ(pairs, step.pairs);
  EXPECT_EQ(nodes, step.nodes);
  EXPECT_EQ(tokens, step.title_tokens);
  EXPECT_DOUBLE_EQ(weight, step.weight);
}

TEST_F(TrainingDataTest, DealsByTheCostOfTreesSoThatRanksHaveAboutTheSame) {
  TrainingData data = data_of(
      {.titles_per_step = 24, .window = 64, .seed = 4, .node_cost = 10, .title_token_cost = 1});
  TrainingData::Step step;
  std::vector<double> costs;
  for (int rank = 0; rank < 3; ++rank) {
    data.make_step(1, rank, 3, step);
    double cost = 0;
    for (const PackedBatch& batch : step.micro_batches()) {
      cost += 10.0 * static_cast<double>(batch.num_nodes());
      for (const int64_t length : batch.title_lengths) cost += static_cast<double>(length);
    }
    costs.push_back(cost);
  }
  const double mean = (costs[0] + costs[1] + costs[2]) / 3;
  EXPECT_NEAR(step.imbalance, *std::max_element(costs.begin(), costs.end()) / mean - 1, 1e-9);
  EXPECT_LT(step.imbalance, 0.05);
}

TEST_F(TrainingDataTest, MergesPlaylistsOfOneNormalisedTitleIntoOneGroup) {
  for (const Weighting weighting : {Weighting::kPair, Weighting::kPlaylist}) {
    TrainingDataOptions options = {.titles_per_step = 30,
                                   .window = 16,
                                   .seed = 4,
                                   .packing = {.weighting = weighting},
                                   .grouping = Grouping::kTitle};
    TrainingData merged = data_of(options);
    TrainingData::Step step;
    merged.make_step(0, 0, 1, step);
    std::set<int32_t> titles;
    int64_t pairs = 0;
    for (const int64_t p : items_of(0, options)) {
      titles.insert(title_of(p));
      pairs += std::ssize(all_.tracks_of(p));
    }
    ASSERT_LT(std::ssize(titles), 30) << "some title stands twice";
    EXPECT_EQ(step.micro_batches()[0].num_titles, std::ssize(titles));
    EXPECT_EQ(step.pairs, pairs);
    EXPECT_EQ(step.micro_batches()[0].num_nodes(), step.nodes);
    expect_near(token_weights(step), token_weights(0, options), 1e-4);

    options.grouping = Grouping::kPlaylist;
    TrainingData::Step apart;
    data_of(options).make_step(0, 0, 1, apart);
    EXPECT_GT(apart.nodes, step.nodes);
    EXPECT_DOUBLE_EQ(apart.weight, step.weight);
  }
}

TEST_F(TrainingDataTest, DrawsTheTargetsOfACappedGroupAnewWithTheSameExpectedWeights) {
  const TrainingDataOptions options = {
      .titles_per_step = kPlaylists, .window = 16, .seed = 4, .group_cap = 4};
  TrainingData data = data_of(options);
  TrainingData::Step step;
  std::map<int64_t, double> sum;
  int64_t pairs = 0;
  for (int64_t p = 0; p < kPlaylists; ++p)
    pairs += std::min<int64_t>(4, std::ssize(all_.tracks_of(p)));
  constexpr int64_t kEpochs = 400;  // each step is one
  for (int64_t s = 0; s < kEpochs; ++s) {
    data.make_step(s, 0, 1, step);
    ASSERT_EQ(step.pairs, pairs);
    EXPECT_NEAR(step.micro_batches()[0].weight, step.weight, 1e-3);
    for (const auto& [token, weight] : token_weights(step)) sum[token] += weight / kEpochs;
  }
  const auto expected = token_weights(0, options);
  // The weight of a draw has a standard deviation below 100, the mean of 400 below 5.
  expect_near(sum, expected, 20);
  TrainingData::Step again;
  data_of(options).make_step(kEpochs - 1, 0, 1, again);
  EXPECT_EQ(token_weights(again), token_weights(step));
}

TEST_F(TrainingDataTest, PutsTitlesOfAboutOneLengthIntoAMicroBatch) {
  TrainingData data = data_of({.titles_per_step = 20, .window = 16, .seed = 4, .micro_batch = 5});
  TrainingData::Step step;
  data.make_step(0, 0, 1, step);
  ASSERT_EQ(step.num_micro_batches, 4);
  int64_t longest_before = 0;
  for (const PackedBatch& batch : step.micro_batches()) {
    const auto [shortest, longest] =
        std::minmax_element(batch.title_lengths.begin(), batch.title_lengths.end());
    EXPECT_GE(*shortest, longest_before);
    longest_before = *longest;
  }
}

TEST_F(TrainingDataTest, PrefetchedStepsAreTheOnesMadeInPlace) {
  const TrainingDataOptions options = {.titles_per_step = 7, .window = 16, .seed = 4};
  TrainingData ahead = data_of(options), in_place = data_of(options);
  Prefetcher prefetcher(ahead, 3, 30, 1, 2, /*ahead=*/2);
  TrainingData::Step expected;
  for (int64_t s = 3; s < 30; ++s) {
    const TrainingData::Step& step = prefetcher.next();
    in_place.make_step(s, 1, 2, expected);
    ASSERT_EQ(step.index, s);
    ASSERT_EQ(step.micro_batches().size(), expected.micro_batches().size());
    EXPECT_EQ(step.micro_batches()[0].input, expected.micro_batches()[0].input);
    EXPECT_EQ(step.micro_batches()[0].title_tokens, expected.micro_batches()[0].title_tokens);
    EXPECT_EQ(step.weight, expected.weight);
  }
}

TEST_F(TrainingDataTest, WhatMakingAStepThrowsReachesTheOneThatWaitsForIt) {
  TrainingData broken = data_of({.titles_per_step = 0});
  Prefetcher prefetcher(broken, 0, 5, 0, 1);
  EXPECT_THROW(prefetcher.next(), std::logic_error);
}

TEST_F(TrainingDataTest, ADestroyedPrefetcherLeavesItsStepsUnmade) {
  TrainingData data = data_of({.titles_per_step = 7, .window = 16, .seed = 4});
  { const Prefetcher unused(data, 0, 1'000'000'000, 0, 1); }
  TrainingData::Step step;
  data.make_step(0, 0, 1, step);
  EXPECT_GT(step.pairs, 0);
}

TEST_F(TrainingDataTest, PutsTheSamePlaylistsIntoTheSameRequests) {
  TrainingDataOptions options;
  options.titles_per_step = 12;
  options.request_share = 0.5;
  options.requests = {"play me some {}", "{} for tonight please"};
  const data::StringTable& raw = set_.dataset().titles().raw;
  std::map<uint64_t, std::vector<int64_t>> prompt_of;  // by playlist
  const auto take = [&](const TrainingData::Step& step) {
    for (const PackedBatch& batch : step.micro_batches()) {
      for (size_t i = 0; i < batch.title_keys.size(); ++i) {
        const auto length = batch.title_lengths[i];
        const auto* tokens =
            batch.title_tokens.data() + static_cast<int64_t>(i) * batch.title_length;
        const std::vector<int64_t> prompt(tokens, tokens + length);
        const auto [entry, is_new] = prompt_of.try_emplace(batch.title_keys[i], prompt);
        EXPECT_EQ(entry->second, prompt) << "playlist " << batch.title_keys[i];
      }
    }
  };
  TrainingData::Step step;
  for (const int world_size : {1, 3}) {
    TrainingData data = data_of(options);
    for (int64_t s = 0; s < 10; ++s) {  // two epochs
      for (int rank = 0; rank < world_size; ++rank) {
        data.make_step(s, rank, world_size, step);
        take(step);
      }
    }
  }
  ASSERT_EQ(std::ssize(prompt_of), kPlaylists);
  int64_t bare = 0;
  for (const auto& [playlist, prompt] : prompt_of) {
    const auto title = raw[all_.titles[playlist]];
    const int64_t request = data::request_of(options.seed, static_cast<int64_t>(playlist), 0.5, 2);
    bare += request < 0 ? 1 : 0;
    const auto tokens = set_.tokenizer().encode(
        request < 0 ? std::string(title) : data::as_request(options.requests[request], title));
    EXPECT_EQ(prompt, std::vector<int64_t>(tokens.begin(), tokens.end()));
  }
  EXPECT_GT(bare, kPlaylists / 4);
  EXPECT_LT(bare, 3 * kPlaylists / 4);
}

TEST_F(TrainingDataTest, GroupsTitlesOnlyWithinOneRequest) {
  TrainingDataOptions options;
  options.titles_per_step = kPlaylists;
  options.grouping = Grouping::kTitle;
  const auto groups_of = [&](double share) {
    options.request_share = share;
    options.requests = {"play me some {}", "{} for tonight please"};
    TrainingData data = data_of(options);
    TrainingData::Step step;
    data.make_step(0, 0, 1, step);
    return std::ssize(step.micro_batches()[0].title_keys);
  };
  std::set<std::pair<int32_t, int64_t>> prompts;
  for (int64_t p = 0; p < kPlaylists; ++p) {
    prompts.emplace(title_of(p), data::request_of(options.seed, p, 0.5, 2));
  }
  EXPECT_EQ(groups_of(0.5), std::ssize(prompts));
  EXPECT_LT(groups_of(0), groups_of(0.5));
}

}  // namespace
}  // namespace tutti::trainer
