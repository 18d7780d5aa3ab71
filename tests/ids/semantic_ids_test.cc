#include "ids/semantic_ids.h"

#include <gmock/gmock.h>

#include <limits>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/ids/random_rows.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

SemanticIdOptions small_options() {
  SemanticIdOptions options;
  options.quantizer.num_codes = {32, 16, 24};
  return options;
}

// On rank 0 of a world of threads, but for the codebooks and statistics: the last rank's.
SemanticIds build_on_ranks(const std::vector<float>& rows, int64_t dim, int num_ranks,
                           int num_threads, const SemanticIdOptions& options = small_options()) {
  const int64_t n = std::ssize(rows) / dim;
  TrackOrder tracks;
  for (int64_t i = 0; i < n; ++i) {
    tracks.keys.push_back("track:" + std::to_string(i * 7919 % n));
    tracks.popularity.push_back(static_cast<int32_t>(i % 5));
  }
  SemanticIds root, last;
  run_ranks(num_ranks, [&](Communicator& comm) {
    ThreadPool pool(num_threads);
    RowsInMemory mine(owned_rows(rows.data(), n, dim, comm));
    auto ids = build_semantic_ids(mine, owned_splits(n, kRowBlock, comm.size()),
                                  comm.is_root() ? tracks : TrackOrder(), options, comm, pool);
    if (comm.rank() == comm.size() - 1) {
      last.codebooks = ids.codebooks;
      last.quantizer = ids.quantizer;
    }
    if (comm.is_root()) root = std::move(ids);
  });
  root.codebooks = std::move(last.codebooks);
  root.quantizer = std::move(last.quantizer);
  return root;
}

void expect_equal(const SemanticIds& a, const SemanticIds& b) {
  EXPECT_EQ(a.table.tokens, b.table.tokens);
  EXPECT_EQ(a.table.token_vectors, b.table.token_vectors);
  EXPECT_EQ(a.codebooks.mean, b.codebooks.mean);
  EXPECT_EQ(a.spill.tracks_moved, b.spill.tracks_moved);
  for (size_t l = 0; l < a.codebooks.levels.size(); ++l) {
    EXPECT_EQ(a.codebooks.levels[l].values, b.codebooks.levels[l].values);
    EXPECT_EQ(a.quantizer.levels[l].snr_db, b.quantizer.levels[l].snr_db);
    EXPECT_EQ(a.quantizer.levels[l].codes_used, b.quantizer.levels[l].codes_used);
  }
}

int64_t num_distinct(const IdTable& table) {
  std::set<std::vector<int32_t>> distinct;
  for (int64_t t = 0; t < table.num_tracks(); ++t) {
    distinct.insert({table.id_of(t).begin(), table.id_of(t).end()});
  }
  return std::ssize(distinct);
}

TEST(SemanticIds, AreTheSameForAnyNumberOfRanksAndThreads) {
  const int64_t dim = 20;
  const auto rows = clustered_rows(2500, dim, 60, 16);
  const auto expected = build_on_ranks(rows, dim, 1, 1);
  for (int num_ranks : {1, 2, 3, 4, 7}) {  // 7 ranks share 5 blocks: two have no rows
    for (int num_threads : {1, 2}) {
      expect_equal(build_on_ranks(rows, dim, num_ranks, num_threads), expected);
    }
  }
}

TEST(SemanticIds, SpillTheSameTracksForAnyNumberOfRanks) {
  const int64_t dim = 12;
  const auto rows = clustered_rows(2500, dim, 30, 19);
  auto options = small_options();
  options.quantizer.num_codes = {8, 8};  // 64 paths
  options.spill = {.group_cap = 50, .tolerance = 4};
  const auto expected = build_on_ranks(rows, dim, 1, 1, options);
  EXPECT_GT(expected.spill.tracks_moved, 100);
  EXPECT_LE(expected.spill.tracks_moved, expected.spill.tracks_above_cap);
  EXPECT_EQ(num_distinct(expected.table), 2500);
  for (int num_ranks : {2, 7}) {
    expect_equal(build_on_ranks(rows, dim, num_ranks, 2, options), expected);
  }
}

TEST(SemanticIds, HoldNoMoreThanTheCapWhereEveryTrackMayMoveAnywhere) {
  const int64_t dim = 6, n = 600;
  const auto rows = clustered_rows(n, dim, 10, 20);
  auto options = small_options();
  options.quantizer.num_codes = {4, 8};  // 32 paths, all of them in the beam
  options.quantizer.beam = 32;
  options.spill = {.group_cap = 25, .tolerance = 1e9};  // 800 places
  const auto before = build_on_ranks(rows, dim, 1, 1);
  const auto ids = build_on_ranks(rows, dim, 1, 1, options);
  EXPECT_LE(ids.groups.largest, 25);
  EXPECT_EQ(ids.spill.tracks_moved, ids.spill.tracks_above_cap);
  EXPECT_EQ(num_distinct(ids.table), n);
  // No tolerance, no move.
  options.spill.tolerance = 0;
  EXPECT_EQ(build_on_ranks(rows, dim, 1, 1, options).spill.tracks_moved, 0);
}

TEST(SemanticIds, AreUniqueEvenWhenAllVectorsAreEqual) {
  const int n = 5000;
  const std::vector<float> rows(n * 4, 0.25F);
  const auto ids = build_on_ranks(rows, 4, 2, 1);
  EXPECT_EQ(ids.groups.num_groups, 1);
  EXPECT_EQ(ids.groups.largest, n);
  EXPECT_EQ(ids.table.levels.back().num_tokens, n);
  EXPECT_EQ(ids.quantizer.levels.back().snr_db, 0);
  EXPECT_EQ(num_distinct(ids.table), n);
  // Those beyond the cap go to codes that meet them as well (the codebooks repeat the one vector
  // there is), or stay.
  auto options = small_options();
  options.spill = {.group_cap = 64, .tolerance = 0.1};
  const auto capped = build_on_ranks(rows, 4, 2, 1, options);
  EXPECT_EQ(capped.spill.tracks_above_cap, n - 64);
  EXPECT_EQ(num_distinct(capped.table), n);
}

TEST(SemanticIds, CarryTheCodebookVectorOfEachToken) {
  const auto rows = clustered_rows(700, 6, 30, 17);
  const auto ids = build_on_ranks(rows, 6, 1, 1);
  const auto& table = ids.table;
  ASSERT_EQ(table.id_length(), 4);
  const auto vector_of = [&](int32_t token) {
    return std::vector<float>(&table.token_vectors[token * 6], &table.token_vectors[token * 6] + 6);
  };
  const auto& level = ids.codebooks.levels[1];
  EXPECT_EQ(vector_of(table.levels[1].first_token + 3),
            std::vector<float>(level.row(3).begin(), level.row(3).end()));
  EXPECT_EQ(vector_of(table.levels[3].first_token), std::vector<float>(6, 0));
}

TEST(SemanticIds, RefuseMoreTokensThanThirtyTwoBitsHold) {
  const auto rows = clustered_rows(60, 4, 3, 18);
  auto options = small_options();
  options.quantizer.num_codes = {INT32_MAX - 100, 100};
  EXPECT_THAT(message_of<UsageError>([&] { build_on_ranks(rows, 4, 1, 1, options); }),
              HasSubstr("--num-codes"));
}

TEST(SemanticIds, RefuseSpillOptionsThatMakeNoSense) {
  const auto rows = clustered_rows(60, 4, 3, 18);
  const auto message = [&](const SpillOptions& spill, int beam) {
    auto options = small_options();
    options.spill = spill;
    options.quantizer.beam = beam;
    return message_of<UsageError>([&] { build_on_ranks(rows, 4, 1, 1, options); });
  };
  EXPECT_THAT(message({.group_cap = -1}, 8), HasSubstr("--group-cap: found -1"));
  EXPECT_THAT(message({.group_cap = 9, .tolerance = -0.5}, 8), HasSubstr("--spill-tolerance"));
  EXPECT_THAT(message({.group_cap = 9, .tolerance = std::numeric_limits<double>::quiet_NaN()}, 8),
              HasSubstr("--spill-tolerance"));
  EXPECT_THAT(message({.group_cap = 9}, 1), HasSubstr("--beam: found 1"));
}

}  // namespace
}  // namespace tutti::ids
