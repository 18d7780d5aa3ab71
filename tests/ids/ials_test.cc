#include "ids/ials.h"

#include <gmock/gmock.h>

#include <cmath>
#include <mutex>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/gram.h"
#include "tests/ids/dense_ials.h"
#include "tests/ids/random_rows.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

IalsOptions small_options() {
  IalsOptions options;
  options.dim = 7;
  options.epochs = 3;
  options.exact_epochs = 3;
  options.unobserved_weight = 0.1;
  options.regularization = 0.02;
  return options;
}

Factors train(const Lists& playlists, int num_tracks, const IalsOptions& options,
              std::vector<IalsEpoch>* log = nullptr) {
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  const auto source = source_of(playlists, num_tracks);
  return train_ials(share_interactions(source, ials_row_cost(options), *comm), options, *comm, pool,
                    log);
}

float score(const Factors& factors, int64_t playlist, int64_t track) {
  const int64_t dim = factors.tracks.dim();
  const float *w = factors.playlists.values().data() + playlist * dim,
              *h = factors.tracks.values().data() + track * dim;
  return std::inner_product(w, w + dim, h, 0.0F);
}

// Playlists shorter and longer than the vectors: both exact solvers are met.
TEST(Ials, AgreesWithDenseNormalEquationsInDoublePrecision) {
  for (const int64_t dim : {3, 7, 20}) {
    const int num_playlists = 60, num_tracks = 55;
    const auto playlists = random_playlists(num_playlists, num_tracks, 21);
    auto options = small_options();
    options.dim = dim;
    std::vector<IalsEpoch> log;
    const auto factors = train(playlists, num_tracks, options, &log);

    const auto has = dense_entries(playlists, num_tracks), has_transposed = transposed(has);
    Table w(num_playlists, std::vector<double>(dim)), h(num_tracks, std::vector<double>(dim));
    for (int t = 0; t < num_tracks; ++t) {
      Rng rng(options.seed, Purpose::kIalsInit, t);
      for (auto& value : h[t]) {
        value = static_cast<float>(options.init_stddev / std::sqrt(static_cast<double>(dim)) *
                                   rng.normal());
      }
    }
    for (int epoch = 0; epoch < 3; ++epoch) {
      dense_half_epoch(has, h, options, &w);
      dense_half_epoch(has_transposed, w, options, &h);
    }
    double objective = 0;
    for (int t = 0; t < num_tracks; ++t) {
      double degree = 0;
      for (int p = 0; p < num_playlists; ++p) {
        const double expected = dot(w[p], h[t]);
        EXPECT_NEAR(score(factors, p, t), expected, 1e-4);
        objective += options.unobserved_weight * expected * expected;
        if (has[p][t]) objective += (1 - expected) * (1 - expected);
        degree += has[p][t] ? 1 : 0;
      }
      objective += 0.02 * (degree + 0.1 * num_playlists) * dot(h[t], h[t]);
    }
    for (int p = 0; p < num_playlists; ++p) {
      objective += 0.02 * (double(playlists[p].size()) + 0.1 * num_tracks) * dot(w[p], w[p]);
    }
    EXPECT_NEAR(log.back().objective, objective, 1e-4 * objective);
  }
}

TEST(Ials, ComesToTheSameFactorsByEnoughConjugateGradients) {
  const auto playlists = random_playlists(200, 180, 22);
  auto options = small_options();
  options.dim = 20;
  const auto exact = train(playlists, 180, options);
  options.exact_epochs = 0;
  options.cg_steps = 20;
  const auto by_cg = train(playlists, 180, options);
  for (int p = 0; p < 200; ++p) {
    for (int t = 0; t < 180; ++t) EXPECT_NEAR(score(by_cg, p, t), score(exact, p, t), 2e-4);
  }
}

TEST(Ials, LowersItsObjectiveEveryEpoch) {
  auto options = small_options();
  options.epochs = 6;
  options.exact_epochs = 2;
  std::vector<IalsEpoch> log;
  train(random_playlists(60, 40, 23), 40, options, &log);
  ASSERT_EQ(log.size(), 6U);
  for (size_t e = 1; e < log.size(); ++e) EXPECT_LT(log[e].objective, log[e - 1].objective);
  EXPECT_FALSE(log[3].exact);
  EXPECT_TRUE(log[4].exact);
}

TEST(Ials, GivesTheSameFactorsForAnyNumberOfRanksAndThreads) {
  // More rows than blocks of factors: some ranks of seven own none.
  const auto playlists = random_playlists(600, 1300, 24);
  auto options = small_options();
  options.dim = 20;
  options.exact_epochs = 1;
  std::vector<float> expected_tracks, expected_playlists;
  for (int num_ranks : {1, 2, 3, 4, 7}) {
    for (int num_threads : {1, 2}) {
      std::mutex mutex;
      run_ranks(num_ranks, [&](Communicator& comm) {
        ThreadPool pool(num_threads);
        const auto source = source_of(playlists, 1300);
        const auto factors = train_ials(share_interactions(source, ials_row_cost(options), comm),
                                        options, comm, pool);
        const auto tracks = factors.tracks.values(), lists = factors.playlists.values();
        const std::scoped_lock lock(mutex);
        if (expected_tracks.empty()) {
          expected_tracks.assign(tracks.begin(), tracks.end());
          expected_playlists.assign(lists.begin(), lists.end());
        }
        EXPECT_TRUE(std::ranges::equal(tracks, expected_tracks))
            << num_ranks << " ranks, " << num_threads << " threads";
        EXPECT_TRUE(std::ranges::equal(lists, expected_playlists));
      });
    }
  }
}

TEST(Ials, LeavesRowsWithoutInteractionsAtZero) {
  const auto factors = train(random_playlists(30, 25, 25), 25, small_options());
  for (int j = 0; j < 7; ++j) {
    EXPECT_EQ(factors.tracks.values()[24 * 7 + j], 0);
    EXPECT_EQ(factors.playlists.values()[1 * 7 + j], 0);
  }
}

// Scenes of 6 playlists that hold the same 6 tracks: each is a direction of singular value 6. With
// the penalties of its rows a scene's entries are worth (1 - p)^2 + alpha0 p^2 + 2 p cutoff / 6 at
// a score of p, so they come out at p = (1 - cutoff / 6) / (1 + alpha0) or vanish.
TEST(Ials, KeepWhatIsAboveTheCutoffInCataloguesOfAnySize) {
  for (const int num_scenes : {2, 24}) {
    Lists playlists(6 * num_scenes);
    for (int p = 0; p < 6 * num_scenes; ++p) {
      for (int t = 0; t < 6; ++t) playlists[p].push_back(p / 6 * 6 + t);
    }
    IalsOptions options;
    options.dim = num_scenes;
    options.epochs = options.exact_epochs = 60;
    options.unobserved_weight = 0.1;
    options.init_stddev = 1;
    options.cutoff = 3;
    const auto kept = train(playlists, 6 * num_scenes, options);
    options.cutoff = 7;
    const auto lost = train(playlists, 6 * num_scenes, options);
    for (int scene = 0; scene < num_scenes; ++scene) {
      EXPECT_NEAR(score(kept, 6 * scene, 6 * scene + 1), 0.5 / 1.1, 1e-3);
      EXPECT_NEAR(score(lost, 6 * scene, 6 * scene + 1), 0, 1e-3);
    }
  }
}

TEST(Ials, RefusesNoEntriesAndOptionsOutOfRange) {
  EXPECT_THAT(message_of<DataError>([&] { train(Lists(3), 4, small_options()); }),
              HasSubstr("no entry in any training playlist"));
  const auto error_of = [&](auto change) {
    auto options = small_options();
    change(options);
    return message_of<UsageError>([&] { train(Lists(3), 4, options); });
  };
  EXPECT_THAT(error_of([](auto& o) { o.dim = 0; }), HasSubstr("--dim"));
  EXPECT_THAT(error_of([](auto& o) { o.epochs = 0; }), HasSubstr("--epochs"));
  EXPECT_THAT(error_of([](auto& o) { o.exact_epochs = -1; }), HasSubstr("--exact-epochs"));
  EXPECT_THAT(error_of([](auto& o) { o.cg_steps = 0; }), HasSubstr("--cg-steps"));
  EXPECT_THAT(error_of([](auto& o) { o.regularization = -1; }), HasSubstr("--regularization"));
  EXPECT_THAT(error_of([](auto& o) { o.cutoff = 0; }), HasSubstr("--cutoff"));
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
  const auto gram = gram_matrix({table.data(), 0, n, n, dim}, *comm, pool);
  for (int64_t i = 0; i < dim; ++i) {
    for (int64_t j = 0; j < dim; ++j) {
      double sum = 0;
      for (int64_t r = 0; r < n; ++r) sum += double(table[r * dim + i]) * table[r * dim + j];
      EXPECT_NEAR(gram[i * dim + j], sum, 1e-3);
    }
  }
}

TEST(PrincipalAxes, MakeTheGramMatrixDiagonalAndKeepProducts) {
  const int64_t n = 700, dim = 9;
  const auto table = clustered_rows(n, dim, 5, 27);
  auto rotated = table;
  auto comm = make_single_communicator();
  ThreadPool pool(2);
  const auto axes =
      principal_axes(gram_matrix({table.data(), 0, n, n, dim}, *comm, pool), dim, *comm);
  rotate_rows(axes, n, dim, rotated.data(), pool);
  const auto gram = gram_matrix({rotated.data(), 0, n, n, dim}, *comm, pool);
  const double largest = axes.values.back();
  for (int64_t i = 0; i < dim; ++i) {
    for (int64_t j = 0; j < dim; ++j) {
      EXPECT_NEAR(gram[i * dim + j], i == j ? axes.values[i] : 0, 1e-5 * largest);
    }
  }
  for (int64_t r = 1; r < n; ++r) {
    const float *a = &table[r * dim], *b = &rotated[r * dim];
    EXPECT_NEAR(std::inner_product(b, b + dim, b - dim, 0.0F),
                std::inner_product(a, a + dim, a - dim, 0.0F), 1e-3);
  }
}

}  // namespace
}  // namespace tutti::ids
