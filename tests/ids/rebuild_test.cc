#include "ids/rebuild.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <span>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/alignment.h"
#include "ids/matrix.h"
#include "ids/trie.h"
#include "tests/ids/random_rows.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

constexpr int64_t kDim = 12;

TrackOrder order_of(int64_t first, int64_t last) {
  TrackOrder tracks;
  for (int64_t i = first; i < last; ++i) {
    tracks.keys.push_back("track:" + std::to_string(i));
    tracks.popularity.push_back(static_cast<int32_t>(i * 37 % 11));
  }
  return tracks;
}

// A table over the tracks [0, n) of `rows`.
SemanticIds build(const std::vector<float>& rows, int64_t n) {
  SemanticIdOptions options;
  options.quantizer.num_codes = {16, 12};
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  RowsInMemory source(RowShard{rows.data(), 0, n, n, kDim});
  return build_semantic_ids(source, {0, n}, order_of(0, n), options, *comm, pool);
}

// `rows` [.., kDim]: vectors of the tracks [first, last) now.
RebuiltIds rebuild(const SemanticIds& old, int64_t old_n, const std::vector<float>& rows,
                   int64_t first, int64_t last, const RebuildOptions& options, int num_ranks = 1) {
  const auto old_keys = order_of(0, old_n).keys;
  const auto tracks = order_of(first, last);
  const auto change = compare_catalogs(old.table, old_keys, tracks.keys);
  RebuiltIds result;
  run_ranks(num_ranks, [&](Communicator& comm) {
    ThreadPool pool(2);
    RowsInMemory mine(owned_rows(rows.data(), last - first, kDim, comm));
    auto ids = rebuild_ids(mine, old.table, old_keys, old.codebooks, change,
                           comm.is_root() ? tracks : TrackOrder(), options, comm, pool);
    if (comm.is_root()) result = std::move(ids);
  });
  return result;
}

std::vector<float> part(const std::vector<float>& rows, int64_t first, int64_t last) {
  return {rows.begin() + first * kDim, rows.begin() + last * kDim};
}

std::vector<float> turned(const std::vector<float>& rows) {
  std::vector<double> any(kDim * kDim);
  Rng rng(9, Purpose::kTest);
  for (auto& value : any) value = rng.normal();
  const auto rotation = nearest_rotation(any, kDim);
  std::vector<float> result(rows.size());
  for (int64_t r = 0; r < std::ssize(rows); r += kDim) {
    for (int64_t i = 0; i < kDim; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < kDim; ++j) sum += rotation[i * kDim + j] * rows[r + j];
      result[r + i] = static_cast<float>(sum);
    }
  }
  return result;
}

TEST(NearestRotation, IsOrthogonalAndTheRotationOfAPolarDecomposition) {
  const std::vector<double> m{0, -2, 3, 0};  // a quarter turn, stretched
  EXPECT_THAT(nearest_rotation(m, 2),
              testing::ElementsAre(testing::DoubleNear(0, 1e-12), testing::DoubleNear(-1, 1e-12),
                                   testing::DoubleNear(1, 1e-12), testing::DoubleNear(0, 1e-12)));
}

TEST(Rebuild, AppendMovesNobodyAndEncodesNewTracksWithTheCodebooksAsTheyAre) {
  const auto rows = clustered_rows(2200, kDim, 60, 41);
  const auto old = build(rows, 2000);
  const auto ids = rebuild(old, 2000, part(rows, 100, 2200), 100, 2200, {});  // 100 are gone
  for (int64_t t = 0; t < 1900; ++t) {
    EXPECT_TRUE(std::ranges::equal(ids.table.id_of(t), old.table.id_of(t + 100)));
  }
  EXPECT_EQ(ids.report.churn.survivors, 1900);
  EXPECT_EQ(ids.report.churn.full, 0);
  EXPECT_EQ(ids.table.retired.size(), 100);
  for (size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(ids.codebooks.levels[l].values, old.codebooks.levels[l].values);
  }
  // A row of the table that repeats the one before it has its codes; see clustered_rows.
  ThreadPool pool(1);
  auto source = source_of(rows, kDim, 2000, 2200);
  const auto expected = encode(source, old.codebooks, 8, pool);
  for (int64_t t = 0; t < 200; ++t) {
    const auto id = ids.table.id_of(1900 + t);
    EXPECT_EQ(id[0], expected[t * 2]);
    EXPECT_EQ(id[1] - old.table.levels[1].first_token, expected[t * 2 + 1]);
  }
}

TEST(Rebuild, NeverMakesAKnownIdTheBeginningOfAnAppendedOneNorTheReverse) {
  auto rows = clustered_rows(300, kDim, 20, 41);
  // Every appended track has the vector of a known one, and so its codes.
  std::copy_n(rows.begin(), 100 * kDim, rows.begin() + 200 * kDim);
  const auto old = build(rows, 200);
  const auto ids = rebuild(old, 200, rows, 0, 300, {});
  const auto begins = [](std::span<const int32_t> a, std::span<const int32_t> b) {
    return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
  };
  for (int64_t known = 0; known < 200; ++known) {
    for (int64_t appended = 200; appended < 300; ++appended) {
      EXPECT_FALSE(begins(old.table.id_of(known), ids.table.id_of(appended)));
      EXPECT_FALSE(begins(ids.table.id_of(appended), old.table.id_of(known)));
    }
  }
  EXPECT_NO_THROW(build_trie(ids.table));
}

TEST(Rebuild, OfTheSameVectorsMovesNobodyAndChangesNoCodebook) {
  const auto rows = clustered_rows(2000, kDim, 60, 42);
  const auto old = build(rows, 2000);
  for (const auto tier : {RebuildTier::kAppend, RebuildTier::kRefresh}) {
    RebuildOptions options;
    options.tier = tier;
    options.tolerance = 0;
    const auto ids = rebuild(old, 2000, rows, 0, 2000, options);
    EXPECT_EQ(ids.table.tokens, old.table.tokens);
    EXPECT_EQ(ids.table.token_vectors, old.table.token_vectors);
    EXPECT_EQ(ids.table.retired.size(), 0);
    EXPECT_EQ(ids.codebooks.mean, old.codebooks.mean);
    EXPECT_FALSE(ids.report.turned);
  }
}

TEST(Rebuild, RefusesToAppendVectorsOfAnotherSpaceAndTurnsTheCodebooksInARefresh) {
  const auto rows = clustered_rows(2000, kDim, 60, 43);
  const auto old = build(rows, 2000);
  const auto elsewhere = turned(rows);
  EXPECT_THAT(message_of<DataError>([&] { rebuild(old, 2000, elsewhere, 0, 2000, {}); }),
              HasSubstr("expected vectors in the space of the table's codebooks"));
  RebuildOptions options;
  options.tier = RebuildTier::kRefresh;
  const auto ids = rebuild(old, 2000, elsewhere, 0, 2000, options);
  EXPECT_TRUE(ids.report.turned);
  EXPECT_LT(ids.report.snr_as_they_were, 1);
  EXPECT_NEAR(ids.report.levels.back().snr_db, old.quantizer.levels.back().snr_db, 0.05);
  EXPECT_LT(ids.report.churn.full, 20);  // what rounding of a turned codebook decides
}

TEST(Rebuild, RefreshMovesThoseWhoGainMoreThanTheTolerance) {
  const auto rows = clustered_rows(2000, kDim, 60, 44);
  const auto old = build(rows, 2000);
  auto drifted = rows;
  for (size_t i = 0; i < drifted.size(); ++i) {  // every second track drifts
    Rng rng(45, Purpose::kTest, i);
    if (i / kDim % 2 == 0) drifted[i] += static_cast<float>(0.5 * rng.normal());
  }
  int64_t moved_before = 2000;
  double snr_before = 1e9;
  for (const double tolerance : {0.0, 0.25, 1.0}) {
    RebuildOptions options;
    options.tier = RebuildTier::kRefresh;
    options.tolerance = tolerance;
    const auto ids = rebuild(old, 2000, drifted, 0, 2000, options);
    const auto& report = ids.report;
    EXPECT_LT(report.churn.full, moved_before);
    EXPECT_LT(report.levels.back().snr_db, snr_before);
    moved_before = report.churn.full;
    snr_before = report.levels.back().snr_db;
    // The curve says what came of it.
    const auto& outcome =
        *std::ranges::find(report.outcomes, tolerance, &ToleranceOutcome::tolerance);
    EXPECT_EQ(outcome.moved, report.churn.full);
    EXPECT_NEAR(outcome.snr_db, report.levels.back().snr_db, 1e-3);
    EXPECT_GE(report.churn.prefix2, report.churn.prefix1);
    EXPECT_EQ(ids.table.retired.size(), report.churn.full);
    for (const auto& each : report.outcomes) EXPECT_LE(each.moved, report.outcomes[0].moved);
    EXPECT_EQ(report.outcomes.back().moved, 0);
  }
  EXPECT_GT(moved_before, 0);
}

TEST(Rebuild, TrainsOnFromTheOldCodesAndKeepsMostNumbers) {
  const auto rows = clustered_rows(2600, kDim, 80, 46);
  const auto old = build(rows, 1500);
  const auto now = part(rows, 0, 2600);  // 1,100 new tracks, clusters nobody had seen among them
  RebuildOptions options;
  options.tier = RebuildTier::kRefresh;
  const auto refreshed = rebuild(old, 1500, now, 0, 2600, options);
  options.tier = RebuildTier::kRebuild;
  const auto rebuilt = rebuild(old, 1500, now, 0, 2600, options);
  EXPECT_GT(rebuilt.report.levels.back().snr_db, refreshed.report.levels.back().snr_db);
  EXPECT_LT(rebuilt.report.churn.prefix1, 1500 / 2);
  EXPECT_GT(rebuilt.report.churn.full, 0);
}

TEST(Rebuild, IsTheSameForAnyNumberOfRanks) {
  const auto rows = clustered_rows(2600, kDim, 80, 47);
  const auto old = build(rows, 2000);
  const auto now = turned(part(rows, 300, 2600));
  for (const auto tier : {RebuildTier::kRefresh, RebuildTier::kRebuild}) {
    RebuildOptions options;
    options.tier = tier;
    const auto expected = rebuild(old, 2000, now, 300, 2600, options);
    for (const int num_ranks : {2, 3, 7}) {  // of 7, two have no block
      const auto ids = rebuild(old, 2000, now, 300, 2600, options, num_ranks);
      EXPECT_EQ(ids.table.tokens, expected.table.tokens);
      EXPECT_EQ(ids.table.token_vectors, expected.table.token_vectors);
      EXPECT_EQ(ids.table.retired.tokens, expected.table.retired.tokens);
      EXPECT_EQ(ids.report.churn.full, expected.report.churn.full);
      EXPECT_EQ(ids.report.snr_turned, expected.report.snr_turned);
    }
  }
}

TEST(Rebuild, RefusesATierOfNoNameAndAToleranceBelowZero) {
  EXPECT_THAT(message_of<UsageError>([] { rebuild_tier("append "); }), HasSubstr("--tier"));
  const auto rows = clustered_rows(600, kDim, 20, 48);
  const auto old = build(rows, 600);
  RebuildOptions options;
  options.tolerance = -1;
  EXPECT_THAT(message_of<UsageError>([&] { rebuild(old, 600, rows, 0, 600, options); }),
              HasSubstr("--tolerance"));
}

}  // namespace
}  // namespace tutti::ids
