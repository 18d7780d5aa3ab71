#include "ids/continuation.h"

#include <gmock/gmock.h>

#include <mutex>
#include <numeric>

#include <gtest/gtest.h>

#include "ids/top_tracks.h"
#include "tests/ids/dense_ials.h"
#include "tests/ids/random_rows.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::ElementsAre;

TEST(ContinuationSplit, HidesHalfOfTheTracksOfAboutSoManyPlaylists) {
  ContinuationOptions options;
  options.num_playlists = 500;
  const ContinuationSplit split(options, 10000);
  std::vector<int32_t> tracks(9);
  std::iota(tracks.begin(), tracks.end(), 100);
  int64_t asked = 0;
  std::vector<int> times_hidden(tracks.size());
  for (int64_t p = 0; p < 10000; ++p) {
    const auto parts = split.split(p, tracks);
    std::vector<int32_t> all(parts.visible);
    all.insert(all.end(), parts.hidden.begin(), parts.hidden.end());
    std::ranges::sort(all);
    ASSERT_EQ(all, tracks);
    if (parts.hidden.empty()) continue;
    ++asked;
    EXPECT_EQ(parts.hidden.size(), 4U);
    EXPECT_TRUE(std::ranges::is_sorted(parts.hidden));
    for (int32_t t : parts.hidden) ++times_hidden[t - 100];
  }
  EXPECT_NEAR(static_cast<double>(asked), 500, 80);
  for (int times : times_hidden) EXPECT_NEAR(times, asked * 4 / 9.0, 0.2 * asked);
}

TEST(ContinuationSplit, AsksNoMoreThanATenthAndNoShortPlaylist) {
  const ContinuationSplit split({}, 1000);
  const std::vector<int32_t> long_enough{1, 2, 3, 4}, short_one{1, 2, 3};
  int64_t asked = 0;
  for (int64_t p = 0; p < 1000; ++p) {
    asked += split.split(p, long_enough).hidden.empty() ? 0 : 1;
    EXPECT_TRUE(split.split(p, short_one).hidden.empty());
  }
  EXPECT_NEAR(static_cast<double>(asked), 100, 40);
}

TEST(TopTracks, AgreeWithSortingAllProducts) {
  const int64_t dim = 5, num_tracks = 5000, num_queries = 70, k = 30;
  const auto tracks = clustered_rows(num_tracks, dim, 20, 61),
             queries = clustered_rows(num_queries, dim, 9, 62);
  std::vector<std::vector<int32_t>> excluded(num_queries);
  for (int64_t q = 0; q < num_queries; ++q) {
    for (int32_t t = 0; t < num_tracks; t += 3) excluded[q].push_back(t);
  }
  ThreadPool pool(2);
  const auto found = top_tracks(queries, tracks, dim, k, excluded, pool);
  for (int64_t q = 0; q < num_queries; ++q) {
    std::vector<double> scores(num_tracks);
    for (int64_t t = 0; t < num_tracks; ++t) {
      for (int64_t j = 0; j < dim; ++j)
        scores[t] += double(queries[q * dim + j]) * tracks[t * dim + j];
    }
    std::vector<double> expected;
    for (int64_t t = 0; t < num_tracks; ++t) {
      if (t % 3 != 0) expected.push_back(scores[t]);
    }
    std::ranges::sort(expected, std::greater<>());
    ASSERT_EQ(std::ssize(found[q]), k);
    for (int64_t i = 0; i < k; ++i) {
      EXPECT_NE(found[q][i] % 3, 0);
      EXPECT_NEAR(scores[found[q][i]], expected[i], 1e-4);
    }
  }
}

TEST(TopTracks, GiveEqualsToTheLowerTrackAndShortListsWhereThereAreFew) {
  const std::vector<float> tracks{1, 2, 2, 0, 2};
  ThreadPool pool(1);
  EXPECT_THAT(top_tracks(std::vector<float>{1}, tracks, 1, 2, {{}}, pool)[0], ElementsAre(1, 2));
  EXPECT_THAT(top_tracks(std::vector<float>{1}, tracks, 1, 9, {{0, 1}}, pool)[0],
              ElementsAre(2, 4, 3));
}

// Tracks of two kinds, with axes of their own; a playlist holds one kind, the first track of each
// kind weighs most. So the ranking of a playlist is known: its kind's tracks in order.
struct TwoKinds {
  static constexpr int32_t kTracks = 40;
  Lists playlists;
  std::vector<float> tracks;

  TwoKinds() {
    for (int p = 0; p < 200; ++p) {
      std::vector<int32_t> list;
      for (int32_t t = p % 2; t < kTracks; t += 2) {
        if (t / 2 % 4 != p / 2 % 4) list.push_back(t);
      }
      playlists.push_back(list);
    }
    for (int32_t t = 0; t < kTracks; ++t) {
      const auto weight = 1 - 0.01F * static_cast<float>(t);
      tracks.push_back(t % 2 == 0 ? weight : 0);
      tracks.push_back(t % 2 == 0 ? 0 : weight);
    }
  }
};

TEST(Continuation, ScoresARankingThatIsKnown) {
  const TwoKinds data;
  const auto source = source_of(data.playlists, TwoKinds::kTracks);
  ContinuationOptions options;
  options.num_playlists = 20;
  options.k = 5;
  const ContinuationSplit split(options, source.num_playlists);
  IalsOptions ials;
  ials.dim = 2;
  std::vector<int32_t> counts(TwoKinds::kTracks, 150);
  counts[0] = counts[1] = 5;

  // By hand: places of a playlist's hidden tracks among its kind's tracks that are not visible.
  double r_precision = 0, recall = 0, ndcg = 0, rare_recall = 0;
  int64_t asked = 0, hidden = 0, rare = 0;
  for (int64_t p = 0; p < 200; ++p) {
    const auto parts = split.split(p, data.playlists[p]);
    if (parts.hidden.empty()) continue;
    ++asked;
    hidden += std::ssize(parts.hidden);
    double in_r = 0, in_k = 0, dcg = 0, ideal = 0, rare_here = 0, rare_found = 0;
    size_t place = 0;
    for (auto t = static_cast<int32_t>(p % 2); t < TwoKinds::kTracks; t += 2) {
      if (std::ranges::count(parts.visible, t) > 0) continue;
      if (std::ranges::count(parts.hidden, t) > 0) {
        if (place < parts.hidden.size()) in_r += 1;
        if (place < 5) in_k += 1, dcg += 1 / std::log2(place + 2.0);
        if (t < 2) rare_here += 1, rare_found += place < 5 ? 1 : 0;
      }
      ++place;
    }
    for (size_t i = 0; i < std::min<size_t>(5, parts.hidden.size()); ++i) {
      ideal += 1 / std::log2(static_cast<double>(i) + 2);
    }
    const auto n = static_cast<double>(parts.hidden.size());
    r_precision += in_r / n;
    recall += in_k / n;
    ndcg += dcg / ideal;
    if (rare_here > 0) ++rare, rare_recall += rare_found / rare_here;
  }
  ASSERT_GT(rare, 0);
  ASSERT_LT(recall, asked);

  for (int num_ranks : {1, 3}) {
    run_ranks(num_ranks, [&](Communicator& comm) {
      ThreadPool pool(1);
      SharedTable tracks(2, owned_splits(TwoKinds::kTracks, 256, comm.size()), comm);
      if (comm.is_root()) std::ranges::copy(data.tracks, tracks.values().begin());
      tracks.share_from_root(comm);
      const auto report =
          evaluate_continuation(source, split, counts, ials, options, &tracks, comm, pool);
      const auto n = static_cast<double>(asked);
      EXPECT_EQ(report.all.playlists, asked);
      EXPECT_EQ(report.all.hidden, hidden);
      EXPECT_NEAR(report.all.r_precision, r_precision / n, 1e-9);
      EXPECT_NEAR(report.all.recall, recall / n, 1e-9);
      EXPECT_NEAR(report.all.ndcg, ndcg / n, 1e-9);
      ASSERT_EQ(report.buckets.size(), 6U);
      EXPECT_EQ(report.buckets[2].name(), "3-9");
      EXPECT_EQ(report.buckets[0].name(), "0");
      EXPECT_EQ(report.buckets[5].name(), "100+");
      EXPECT_EQ(report.buckets[2].metrics.playlists, rare);
      EXPECT_NEAR(report.buckets[2].metrics.recall, rare_recall / static_cast<double>(rare), 1e-9);
      EXPECT_EQ(report.buckets[0].metrics.playlists, 0);
    });
  }
}

TEST(Continuation, FindsMoreAfterTrainingThanByChance) {
  const TwoKinds data;
  const auto source = source_of(data.playlists, TwoKinds::kTracks);
  ContinuationOptions options;
  options.num_playlists = 20;
  options.k = 14;
  const ContinuationSplit split(options, source.num_playlists);
  IalsOptions ials;
  ials.dim = 8;
  ials.unobserved_weight = 0.05;
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  const auto interactions =
      share_interactions(visible_playlists(source, split), ials_row_cost(ials), *comm);
  EXPECT_LT(interactions.num_entries, 200 * 15);
  auto factors = train_ials(interactions, ials, *comm, pool);
  const auto report = evaluate_continuation(source, split, interactions.track_counts, ials, options,
                                            &factors.tracks, *comm, pool);
  EXPECT_GT(report.all.r_precision, 0.6);  // chance: 7 of 32
}

}  // namespace
}  // namespace tutti::ids
