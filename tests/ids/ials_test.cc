#include "ids/ials.h"

#include <gmock/gmock.h>

#include <cmath>
#include <mutex>
#include <numeric>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/gram.h"
#include "tests/ids/random_rows.h"
#include "tests/ids/small_dataset.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

using Lists = std::vector<std::vector<int32_t>>;  // playlists -> tracks

Lists random_playlists(int num_playlists, int num_tracks, uint64_t seed) {
  Lists playlists(num_playlists);
  for (int p = 0; p < num_playlists; ++p) {
    Rng rng(seed, Purpose::kTest, p);
    for (int32_t t = 0; t < num_tracks - 1; ++t) {  // the last track is in none
      if (rng.below(6) == 0) playlists[p].push_back(t);
    }
  }
  playlists[1].clear();
  return playlists;
}

Interactions interactions_of(const Lists& playlists, int num_tracks, const Communicator& comm) {
  Interactions result;
  result.num_playlists = std::ssize(playlists);
  result.num_tracks = num_tracks;
  result.track_counts.resize(num_tracks);
  std::vector<int32_t> sizes;
  for (const auto& tracks : playlists) {
    sizes.push_back(static_cast<int32_t>(tracks.size()));
    for (int32_t t : tracks) ++result.track_counts[t];
  }
  result.num_entries = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  result.playlist_split = split_by_cost(sizes, 3, comm.size());
  result.track_split = split_by_cost(result.track_counts, 3, comm.size());
  const auto rank = static_cast<size_t>(comm.rank());
  for (int64_t p = result.playlist_split[rank]; p < result.playlist_split[rank + 1]; ++p) {
    auto& mine = result.by_playlist;
    mine.columns.insert(mine.columns.end(), playlists[p].begin(), playlists[p].end());
    mine.offsets.push_back(std::ssize(mine.columns));
  }
  for (int64_t t = result.track_split[rank]; t < result.track_split[rank + 1]; ++t) {
    auto& mine = result.by_track;
    for (int32_t p = 0; p < std::ssize(playlists); ++p) {
      if (std::ranges::count(playlists[p], t) > 0) mine.columns.push_back(p);
    }
    mine.offsets.push_back(std::ssize(mine.columns));
  }
  return result;
}

// Gauss-Jordan elimination with pivots; a [d, d + 1] is the matrix with its right-hand side.
std::vector<double> solve_densely(std::vector<std::vector<double>> a) {
  const size_t d = a.size();
  for (size_t k = 0; k < d; ++k) {
    size_t pivot = k;
    for (size_t i = k; i < d; ++i) {
      if (std::fabs(a[i][k]) > std::fabs(a[pivot][k])) pivot = i;
    }
    std::swap(a[k], a[pivot]);
    for (size_t i = 0; i < d; ++i) {
      if (i == k) continue;
      const double factor = a[i][k] / a[k][k];
      for (size_t j = k; j <= d; ++j) a[i][j] -= factor * a[k][j];
    }
  }
  std::vector<double> x(d);
  for (size_t k = 0; k < d; ++k) x[k] = a[k][d] / a[k][k];
  return x;
}

using Table = std::vector<std::vector<double>>;

// All pairs, weight 1 + alpha0 on entries and target 1, alpha0 and target 0 elsewhere.
void dense_half_epoch(const std::vector<std::vector<bool>>& has, const Table& other,
                      const IalsOptions& options, Table* table) {
  const size_t d = other[0].size();
  for (size_t r = 0; r < table->size(); ++r) {
    std::vector<std::vector<double>> a(d, std::vector<double>(d + 1));
    double degree = 0;
    for (size_t c = 0; c < other.size(); ++c) {
      const double weight = options.unobserved_weight + (has[r][c] ? 1 : 0);
      degree += has[r][c] ? 1 : 0;
      for (size_t i = 0; i < d; ++i) {
        for (size_t j = 0; j < d; ++j) a[i][j] += weight * other[c][i] * other[c][j];
        if (has[r][c]) a[i][d] += other[c][i];
      }
    }
    const double lambda =
        options.regularization *
        std::pow(degree + options.unobserved_weight * static_cast<double>(other.size()),
                 options.frequency_power);
    for (size_t i = 0; i < d; ++i) a[i][i] += lambda;
    (*table)[r] = solve_densely(a);
  }
}

IalsOptions small_options() {
  IalsOptions options;
  options.dim = 7;
  options.epochs = 3;
  options.exact_epochs = 3;
  options.unobserved_weight = 0.1;
  options.regularization = 0.02;
  return options;
}

TEST(Ials, AgreesWithDenseNormalEquationsInDoublePrecision) {
  const int num_playlists = 30, num_tracks = 25;
  const auto playlists = random_playlists(num_playlists, num_tracks, 21);
  const auto options = small_options();
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  std::vector<IalsEpoch> log;
  const auto factors =
      train_ials(interactions_of(playlists, num_tracks, *comm), options, *comm, pool, &log);

  std::vector<std::vector<bool>> has(num_playlists, std::vector<bool>(num_tracks));
  auto transposed = std::vector<std::vector<bool>>(num_tracks, std::vector<bool>(num_playlists));
  for (int p = 0; p < num_playlists; ++p) {
    for (int32_t t : playlists[p]) has[p][t] = transposed[t][p] = true;
  }
  Table w(num_playlists, std::vector<double>(7)), h(num_tracks, std::vector<double>(7));
  for (int t = 0; t < num_tracks; ++t) {
    Rng rng(options.seed, Purpose::kIalsInit, t);
    for (auto& value : h[t]) {
      value = static_cast<float>(options.init_stddev / std::sqrt(7.0) * rng.normal());
    }
  }
  for (int epoch = 0; epoch < 3; ++epoch) {
    dense_half_epoch(has, h, options, &w);
    dense_half_epoch(transposed, w, options, &h);
  }
  double objective = 0;
  for (int t = 0; t < num_tracks; ++t) {
    for (int j = 0; j < 7; ++j) EXPECT_NEAR(factors.tracks[t * 7 + j], h[t][j], 2e-4);
    double degree = 0, norm = 0;
    for (int p = 0; p < num_playlists; ++p) {
      const double score = std::inner_product(w[p].begin(), w[p].end(), h[t].begin(), 0.0);
      objective += options.unobserved_weight * score * score;
      if (has[p][t]) objective += (1 - score) * (1 - score);
      degree += has[p][t] ? 1 : 0;
    }
    for (double v : h[t]) norm += v * v;
    objective += 0.02 * (degree + 0.1 * num_playlists) * norm;
  }
  for (int p = 0; p < num_playlists; ++p) {
    double norm = 0;
    for (double v : w[p]) norm += v * v;
    objective += 0.02 * (double(playlists[p].size()) + 0.1 * num_tracks) * norm;
  }
  EXPECT_NEAR(log.back().objective, objective, 1e-4 * objective);
}

TEST(Ials, ComesToTheSameFactorsByEnoughConjugateGradients) {
  const auto playlists = random_playlists(40, 30, 22);
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  const auto interactions = interactions_of(playlists, 30, *comm);
  auto options = small_options();
  const auto exact = train_ials(interactions, options, *comm, pool);
  options.exact_epochs = 0;
  options.cg_steps = 12;
  const auto by_cg = train_ials(interactions, options, *comm, pool);
  for (size_t i = 0; i < exact.tracks.size(); ++i) {
    EXPECT_NEAR(by_cg.tracks[i], exact.tracks[i], 2e-4);
  }
}

TEST(Ials, LowersItsObjectiveEveryEpoch) {
  const auto playlists = random_playlists(60, 40, 23);
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  auto options = small_options();
  options.epochs = 6;
  options.exact_epochs = 2;
  std::vector<IalsEpoch> log;
  train_ials(interactions_of(playlists, 40, *comm), options, *comm, pool, &log);
  ASSERT_EQ(log.size(), 6U);
  for (size_t e = 1; e < log.size(); ++e) EXPECT_LT(log[e].objective, log[e - 1].objective);
  EXPECT_FALSE(log[3].exact);
  EXPECT_TRUE(log[4].exact);
}

TEST(Ials, GivesTheSameFactorsForAnyNumberOfRanksAndThreads) {
  const auto playlists = random_playlists(150, 700, 24);
  auto options = small_options();
  options.dim = 20;
  options.exact_epochs = 1;
  std::vector<float> expected;
  for (int num_ranks : {1, 2, 3, 4, 7}) {
    for (int num_threads : {1, 2}) {
      std::mutex mutex;
      run_ranks(num_ranks, [&](Communicator& comm) {
        ThreadPool pool(num_threads);
        const auto factors = train_ials(interactions_of(playlists, 700, comm), options, comm, pool);
        const std::scoped_lock lock(mutex);
        if (expected.empty()) expected = factors.tracks;
        EXPECT_EQ(factors.tracks, expected) << num_ranks << " ranks, " << num_threads << " threads";
      });
    }
  }
}

TEST(Ials, LeavesRowsWithoutInteractionsAtZero) {
  const auto playlists = random_playlists(30, 25, 25);
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  const auto factors =
      train_ials(interactions_of(playlists, 25, *comm), small_options(), *comm, pool);
  for (int j = 0; j < 7; ++j) {
    EXPECT_EQ(factors.tracks[24 * 7 + j], 0);
    EXPECT_EQ(factors.playlists[1 * 7 + j], 0);
  }
}

TEST(Ials, RefusesNoEntriesAndOptionsOutOfRange) {
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  const auto empty = interactions_of(Lists(3), 4, *comm);
  EXPECT_THAT(message_of<DataError>([&] { train_ials(empty, small_options(), *comm, pool); }),
              HasSubstr("no entry in any training playlist"));
  const auto error_of = [&](auto change) {
    auto options = small_options();
    change(options);
    return message_of<UsageError>([&] { train_ials(empty, options, *comm, pool); });
  };
  EXPECT_THAT(error_of([](auto& o) { o.dim = 0; }), HasSubstr("--dim"));
  EXPECT_THAT(error_of([](auto& o) { o.epochs = 0; }), HasSubstr("--epochs"));
  EXPECT_THAT(error_of([](auto& o) { o.exact_epochs = -1; }), HasSubstr("--exact-epochs"));
  EXPECT_THAT(error_of([](auto& o) { o.cg_steps = 0; }), HasSubstr("--cg-steps"));
  EXPECT_THAT(error_of([](auto& o) { o.regularization = 0; }), HasSubstr("--regularization"));
  EXPECT_THAT(error_of([](auto& o) { o.unobserved_weight = -1; }),
              HasSubstr("--unobserved-weight"));
  EXPECT_THAT(error_of([](auto& o) { o.frequency_power = NAN; }), HasSubstr("--frequency-power"));
  EXPECT_THAT(error_of([](auto& o) { o.init_stddev = 0; }), HasSubstr("--init-stddev"));
}

TEST(GramMatrix, IsTheProductOfTheTableWithItself) {
  const int64_t n = 1200, dim = 9;
  const auto table = clustered_rows(n, dim, 5, 26);
  auto comm = make_single_communicator();
  ThreadPool pool(2);
  const auto gram = gram_matrix(table.data(), n, dim, *comm, pool);
  for (int64_t i = 0; i < dim; ++i) {
    for (int64_t j = 0; j < dim; ++j) {
      double sum = 0;
      for (int64_t r = 0; r < n; ++r) sum += double(table[r * dim + i]) * table[r * dim + j];
      EXPECT_NEAR(gram[i * dim + j], sum, 1e-3);
    }
  }
}

TEST(Interactions, HoldTheTrainingPlaylistsAndNoOthersOnTheirRanks) {
  const TempFolder dir;
  write_small_dataset(dir / "data", 37, 200);
  const auto dataset = data::Dataset::open(dir / "data");
  const auto train = dataset.playlists_in(data::Part::kTrain);
  ASSERT_LT(std::ssize(train), dataset.num_playlists());
  for (int num_ranks : {1, 3}) {
    std::vector<Interactions> parts(num_ranks);
    // HDF5 is for one thread, so ranks read in turn.
    std::mutex one_reader;
    run_ranks(num_ranks, [&](Communicator& comm) {
      const std::scoped_lock lock(one_reader);
      parts[comm.rank()] = read_interactions(dataset, 4, comm);
    });
    EXPECT_EQ(parts[0].num_playlists, std::ssize(train));
    EXPECT_EQ(parts[0].track_counts, dataset.train_counts());
    std::vector<std::pair<int32_t, int32_t>> expected, by_playlist, by_track;
    for (int64_t u = 0; u < std::ssize(train); ++u) {
      for (int32_t t : dataset.read(train[u], train[u] + 1).tracks) {
        expected.emplace_back(static_cast<int32_t>(u), t);
      }
    }
    for (int r = 0; r < num_ranks; ++r) {
      const auto& part = parts[r];
      EXPECT_EQ(part.num_entries, std::ssize(expected));
      for (int64_t i = 0; i < part.by_playlist.size(); ++i) {
        for (int32_t t : part.by_playlist.row(i)) {
          by_playlist.emplace_back(static_cast<int32_t>(part.playlist_split[r] + i), t);
        }
      }
      for (int64_t i = 0; i < part.by_track.size(); ++i) {
        for (int32_t u : part.by_track.row(i)) {
          by_track.emplace_back(u, static_cast<int32_t>(part.track_split[r] + i));
        }
      }
    }
    EXPECT_EQ(by_playlist, expected);
    std::ranges::sort(by_track);
    std::ranges::sort(expected);
    EXPECT_EQ(by_track, expected);
  }
}

TEST(SplitByCost, SharesTheWorkAndCoversAllItems) {
  const std::vector<int32_t> costs{10, 1, 1, 1, 1, 1, 1, 4};
  EXPECT_THAT(split_by_cost(costs, 0, 2), testing::ElementsAre(0, 1, 8));
  EXPECT_THAT(split_by_cost(costs, 0, 1), testing::ElementsAre(0, 8));
  EXPECT_THAT(split_by_cost({}, 0, 3), testing::ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(split_by_cost(std::vector<int32_t>{5}, 0, 3), testing::ElementsAre(0, 1, 1, 1));
}

}  // namespace
}  // namespace tutti::ids
