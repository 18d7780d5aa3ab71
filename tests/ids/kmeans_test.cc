#include "ids/kmeans.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/nearest_code.h"
#include "tests/ids/random_rows.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

double distance(const float* a, const float* b, int64_t dim) {
  double sum = 0;
  for (int64_t j = 0; j < dim; ++j) sum += (double(a[j]) - b[j]) * (double(a[j]) - b[j]);
  return sum;
}

// Lloyd's steps as in the textbook, in fp64 sums, from the same start.
Codebook textbook_kmeans(const std::vector<float>& rows, int64_t dim, Codebook codebook,
                         int num_steps) {
  const int64_t n = std::ssize(rows) / dim;
  for (int step = 0; step < num_steps; ++step) {
    std::vector<double> sums(codebook.values.size());
    std::vector<int64_t> counts(codebook.num_codes);
    for (int64_t i = 0; i < n; ++i) {
      int64_t best = 0;
      for (int64_t k = 1; k < codebook.num_codes; ++k) {
        if (distance(&rows[i * dim], codebook.row(k).data(), dim) <
            distance(&rows[i * dim], codebook.row(best).data(), dim)) {
          best = k;
        }
      }
      ++counts[best];
      for (int64_t j = 0; j < dim; ++j) sums[best * dim + j] += rows[i * dim + j];
    }
    for (size_t v = 0; v < sums.size(); ++v) {
      if (counts[v / dim] > 0) codebook.values[v] = float(sums[v] / double(counts[v / dim]));
    }
  }
  return codebook;
}

TEST(KMeans, AgreesWithTheTextbookFromTheSameStart) {
  const int64_t dim = 5;
  const auto rows = clustered_rows(1300, dim, 30, 1);
  KMeansOptions options;
  options.num_codes = 7;
  options.max_steps = 4;
  options.min_relative_drop = 0;
  Codebook start{7, dim, {}};
  for (int64_t k = 0; k < 7; ++k) {
    start.values.insert(start.values.end(), &rows[k * 11 * dim], &rows[(k * 11 + 1) * dim]);
  }
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  auto source = source_of(rows, dim, 0, 1300);
  std::vector<KMeansStep> log;
  const auto codebook = refine_codebook(source, start, options, *comm, pool, &log);
  ASSERT_EQ(log.size(), 4U);
  for (const auto& step : log) ASSERT_EQ(step.empty_codes, 0);
  const auto expected = textbook_kmeans(rows, dim, start, 4);
  for (size_t v = 0; v < expected.values.size(); ++v) {
    EXPECT_NEAR(codebook.values[v], expected.values[v], 1e-6);
  }
  // Each step reports the objective of the codebook that it began with, and what it changed.
  for (int s = 0; s < 4; ++s) {
    const auto before = textbook_kmeans(rows, dim, start, s);
    double objective = 0;
    for (int64_t i = 0; i < 1300; ++i) {
      double nearest = INFINITY;
      for (int64_t k = 0; k < 7; ++k) {
        nearest = std::min(nearest, distance(&rows[i * dim], before.row(k).data(), dim));
      }
      objective += nearest;
    }
    EXPECT_NEAR(log[s].objective, objective, 1e-4 * objective);
  }
  EXPECT_EQ(log[0].rows_moved, 1300);
  EXPECT_LT(log[3].rows_moved, 1300);
}

TEST(KMeans, StartsBetterThanFromRowsTakenAtRandom) {
  const int64_t dim = 8;
  const auto rows = clustered_rows(4000, dim, 50, 21);
  auto comm = make_single_communicator();
  ThreadPool pool(2);
  auto source = source_of(rows, dim, 0, 4000);
  KMeansOptions options;
  options.num_codes = 50;
  options.max_steps = 1;
  std::vector<KMeansStep> seeded, random;
  const auto start = seed_codebook(source, options, *comm, pool);
  refine_codebook(source, start, options, *comm, pool, &seeded);
  const Codebook first_rows{50, dim, {rows.begin(), rows.begin() + 50 * dim}};
  refine_codebook(source, first_rows, options, *comm, pool, &random);
  EXPECT_LT(seeded[0].objective, 0.5 * random[0].objective);  // all clusters met, or a third not
}

// Trains with shard borders `split` on as many ranks; all ranks must agree.
Codebook train_on_ranks(const std::vector<float>& rows, int64_t dim,
                        const std::vector<int64_t>& split, int num_threads,
                        const KMeansOptions& options, std::vector<KMeansStep>* log) {
  Codebook result;
  std::mutex mutex;
  run_ranks(static_cast<int>(split.size()) - 1, [&](Communicator& comm) {
    ThreadPool pool(num_threads);
    std::vector<KMeansStep> steps;
    auto mine = source_of(rows, dim, split[comm.rank()], split[comm.rank() + 1]);
    const auto codebook = train_kmeans(mine, options, comm, pool, &steps);
    const std::scoped_lock lock(mutex);
    if (!result.values.empty()) {
      EXPECT_EQ(result.values, codebook.values);
    }
    result = codebook;
    *log = steps;
  });
  return result;
}

TEST(KMeans, GivesTheSameCodebookForAnyRanksShardsAndThreads) {
  const int64_t n = 3000, dim = 24;
  const auto rows = clustered_rows(n, dim, 40, 2);
  KMeansOptions options;
  options.num_codes = 50;
  options.max_steps = 12;
  std::vector<KMeansStep> expected_log;
  const auto expected = train_on_ranks(rows, dim, {0, n}, 1, options, &expected_log);
  const std::vector<std::vector<int64_t>> splits = {{0, n},
                                                    {0, 1536, n},
                                                    {0, 1, n},
                                                    {0, 0, n},
                                                    {0, 512, 700, n},
                                                    {0, n, n, n},
                                                    {0, 100, 513, 513, 1999, 2000, 2999, n}};
  for (const auto& split : splits) {
    for (int num_threads : {1, 2}) {
      std::vector<KMeansStep> log;
      const auto codebook = train_on_ranks(rows, dim, split, num_threads, options, &log);
      EXPECT_EQ(codebook.values, expected.values)
          << split.size() - 1 << " ranks, " << num_threads << " threads";
      ASSERT_EQ(log.size(), expected_log.size());
      for (size_t s = 0; s < log.size(); ++s) {
        EXPECT_EQ(log[s].objective, expected_log[s].objective);
        EXPECT_EQ(log[s].rows_moved, expected_log[s].rows_moved);
        EXPECT_EQ(log[s].largest_code, expected_log[s].largest_code);
      }
    }
  }
}

TEST(KMeans, PutsEmptyCodesOnFarRows) {
  // Three far points are too rare to be sampled as seeds, all other rows are one point.
  const int64_t n = 4000, dim = 3;
  std::vector<float> rows(n * dim, 1);
  for (int64_t row : {1234, 2345, 3456}) rows[row * dim] = static_cast<float>(row);
  KMeansOptions options;
  options.num_codes = 4;
  options.seed_rows_per_code = 2;
  std::vector<KMeansStep> log;
  const auto codebook = train_on_ranks(rows, dim, {0, 1000, n}, 1, options, &log);
  EXPECT_GT(log.front().empty_codes, 0);
  EXPECT_EQ(log.back().empty_codes, 0);
  std::vector<float> firsts;
  for (int64_t k = 0; k < 4; ++k) firsts.push_back(codebook.row(k)[0]);
  EXPECT_THAT(firsts, testing::UnorderedElementsAre(1, 1234, 2345, 3456));
}

// Nine of ten rows lie close together, the others far apart.
std::vector<float> crowded_rows(int64_t n, int64_t dim) {
  std::vector<float> rows;
  for (int64_t i = 0; i < n; ++i) {
    Rng rng(31, Purpose::kTest, i);
    for (int64_t j = 0; j < dim; ++j) {
      rows.push_back(static_cast<float>((i % 10 == 0 ? 5 : 0.5) * rng.normal()));
    }
  }
  return rows;
}

TEST(KMeans, SharesACrowdOutAmongCodesWhenBalanced) {
  const int64_t n = 3000, dim = 6;
  const auto rows = crowded_rows(n, dim);
  KMeansOptions options;
  options.num_codes = 20;
  options.max_steps = 12;
  std::vector<KMeansStep> log;
  train_on_ranks(rows, dim, {0, n}, 1, options, &log);
  EXPECT_GT(log.back().largest_code, 4 * n / 20);  // one code has the crowd

  options.balance = 1.5;
  const auto codebook = train_on_ranks(rows, dim, {0, n}, 1, options, &log);
  const NearestCode nearest(codebook);
  NearestCode::Scratch scratch;
  std::vector<int64_t> counts(20);
  for (int64_t i = 0; i < n; ++i) {
    int32_t found = 0, best = 0;
    nearest.find(&rows[i * dim], 1, scratch, &found);
    const auto cost = [&](int32_t k) {
      return distance(&rows[i * dim], codebook.row(k).data(), dim) + codebook.price(k);
    };
    for (int32_t k = 1; k < 20; ++k) best = cost(k) < cost(best) ? k : best;
    EXPECT_EQ(found, best);
    ++counts[found];
  }
  EXPECT_LE(*std::ranges::max_element(counts), 1.15 * 1.5 * n / 20);  // it was ten times as much
  for (const float price : codebook.prices) EXPECT_GE(price, 0);
  std::vector<KMeansStep> again;
  const auto on_three = train_on_ranks(rows, dim, {0, 100, 1999, n}, 2, options, &again);
  EXPECT_EQ(on_three.values, codebook.values);
  EXPECT_EQ(on_three.prices, codebook.prices);
}

TEST(KMeans, LeavesCodesUnusedWhenRowsAreAllEqual) {
  const std::vector<float> rows(100 * 2, 0.5F);
  KMeansOptions options;
  options.num_codes = 8;
  std::vector<KMeansStep> log;
  const auto codebook = train_on_ranks(rows, 2, {0, 50, 100}, 1, options, &log);
  EXPECT_EQ(log.back().objective, 0);
  EXPECT_EQ(log.back().largest_code, 100);
  for (float value : codebook.values) EXPECT_EQ(value, 0.5F);
}

TEST(KMeans, HandlesRowsOfZeros) {
  const std::vector<float> rows(20 * 3, 0);
  KMeansOptions options;
  options.num_codes = 2;
  std::vector<KMeansStep> log;
  const auto codebook = train_on_ranks(rows, 3, {0, 20}, 1, options, &log);
  for (float value : codebook.values) EXPECT_EQ(value, 0);
}

TEST(KMeans, RefusesFewerRowsThanCodesAndNoRows) {
  KMeansOptions options;
  options.num_codes = 8;
  std::vector<KMeansStep> log;
  EXPECT_THAT(message_of<DataError>([&] {
                train_on_ranks(std::vector<float>(14), 2, {0, 3, 7}, 1, options, &log);
              }),
              HasSubstr("found 7 rows, expected at least one a code, 8"));
  EXPECT_THAT(message_of<DataError>([&] {
                train_on_ranks({}, 2, {0, 0, 0}, 1, options, &log);
              }),
              HasSubstr("found 0 rows"));
}

TEST(KMeans, NamesTheFirstRowThatIsNotFiniteOnEveryRank) {
  auto rows = clustered_rows(100, 2, 4, 5);
  rows[71 * 2] = std::nanf("");
  rows[90 * 2 + 1] = INFINITY;
  KMeansOptions options;
  options.num_codes = 2;
  std::vector<KMeansStep> log;
  for (const auto& split : std::vector<std::vector<int64_t>>{{0, 100}, {0, 80, 100}}) {
    EXPECT_THAT(message_of<DataError>([&] { train_on_ranks(rows, 2, split, 1, options, &log); }),
                HasSubstr("row 71"));
  }
}

TEST(NearestCode, AgreesWithBruteForceAndGivesTiesToTheLowestCode) {
  const int64_t n = 700, dim = 10, num_codes = 300;
  const auto rows = clustered_rows(n, dim, 30, 6);
  Codebook codebook{num_codes, dim, clustered_rows(num_codes, dim, 30, 7)};  // repeats some codes
  for (int64_t k = 0; k < 50; ++k) {  // and stands on some rows
    std::copy_n(&rows[k * dim], dim, &codebook.values[(num_codes - 1 - k) * dim]);
  }
  const auto shard = shard_of(rows, dim, 0, n);
  const NearestCode nearest(codebook);
  NearestCode::Scratch scratch;
  for (int64_t b = 0; b < num_row_blocks(shard); ++b) {
    const auto part = row_block(shard, b);
    std::vector<int32_t> codes(part.count);
    nearest.find(shard.row(part.local), part.count, scratch, codes.data());
    for (int64_t i = 0; i < part.count; ++i) {
      const float* x = shard.row(part.local + i);
      int32_t best = 0;
      for (int32_t k = 1; k < num_codes; ++k) {
        if (distance(x, codebook.row(k).data(), dim) <
            distance(x, codebook.row(best).data(), dim)) {
          best = k;
        }
      }
      EXPECT_EQ(codes[i], best);
    }
  }
  EXPECT_GT(scratch.rows_decided_again, 0);
}

}  // namespace
}  // namespace tutti::ids
