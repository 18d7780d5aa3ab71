#include "ids/fold_in.h"

#include <gmock/gmock.h>

#include <mutex>

#include <gtest/gtest.h>

#include "tests/ids/dense_ials.h"
#include "tests/ids/random_rows.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

constexpr int kPlaylists = 300, kTracks = 600;  // more than a block of factors

std::vector<uint8_t> every_third_is_new() {
  std::vector<uint8_t> known(kTracks, 1);
  for (int t = 0; t < kTracks; t += 3) known[t] = 0;
  return known;
}

IalsOptions fold_in_options(int64_t dim) {
  IalsOptions options;
  options.dim = dim;
  options.unobserved_weight = 0.1;
  options.regularization = 0.02;
  return options;
}

TEST(FoldIn, AgreesWithDenseNormalEquationsAndKeepsKnownTracks) {
  const int64_t dim = 6;
  const auto playlists = random_playlists(kPlaylists, kTracks, 71);
  const auto before = clustered_rows(kTracks, dim, 8, 72);
  const auto known = every_third_is_new();
  const auto options = fold_in_options(dim);
  auto comm = make_single_communicator();
  ThreadPool pool(2);
  auto tracks = before;
  fold_in_tracks(share_interactions(source_of(playlists, kTracks), ials_row_cost(options), *comm),
                 known, options, &tracks, *comm, pool);

  // Playlists over the known tracks alone, then new tracks over the playlists.
  std::vector<int> known_rows, new_rows;
  for (int t = 0; t < kTracks; ++t) (known[t] ? known_rows : new_rows).push_back(t);
  const auto has = dense_entries(playlists, kTracks);
  const auto columns = [&](const std::vector<int>& rows) {
    std::vector<std::vector<bool>> part(kPlaylists, std::vector<bool>(rows.size()));
    for (int p = 0; p < kPlaylists; ++p) {
      for (size_t i = 0; i < rows.size(); ++i) part[p][i] = has[p][rows[i]];
    }
    return part;
  };
  Table h, w(kPlaylists, std::vector<double>(dim)),
      expected(new_rows.size(), std::vector<double>(dim));
  for (int t : known_rows) h.emplace_back(before.begin() + t * dim, before.begin() + (t + 1) * dim);
  dense_half_epoch(columns(known_rows), h, options, &w);
  dense_half_epoch(transposed(columns(new_rows)), w, options, &expected);
  for (size_t i = 0; i < new_rows.size(); ++i) {
    for (int64_t j = 0; j < dim; ++j) {
      EXPECT_NEAR(tracks[new_rows[i] * dim + j], expected[i][j], 2e-4) << new_rows[i];
    }
  }
  for (int t : known_rows) {
    for (int64_t j = 0; j < dim; ++j) EXPECT_EQ(tracks[t * dim + j], before[t * dim + j]);
  }
}

TEST(FoldIn, GivesTheSameBytesForAnyNumberOfRanksAndThreads) {
  const int64_t dim = 20;
  const auto playlists = random_playlists(kPlaylists, kTracks, 73);
  const auto before = clustered_rows(kTracks, dim, 8, 74);
  const auto known = every_third_is_new();
  const auto options = fold_in_options(dim);
  std::vector<float> expected;
  for (int num_ranks : {1, 2, 3, 4, 7}) {
    for (int num_threads : {1, 2}) {
      std::mutex mutex;
      run_ranks(num_ranks, [&](Communicator& comm) {
        ThreadPool pool(num_threads);
        auto tracks = before;
        fold_in_tracks(
            share_interactions(source_of(playlists, kTracks), ials_row_cost(options), comm), known,
            options, &tracks, comm, pool);
        const std::scoped_lock lock(mutex);
        if (expected.empty()) expected = tracks;
        EXPECT_EQ(tracks, expected) << num_ranks << " ranks, " << num_threads << " threads";
      });
    }
  }
}

}  // namespace
}  // namespace tutti::ids
