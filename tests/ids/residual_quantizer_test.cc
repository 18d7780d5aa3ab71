#include "ids/residual_quantizer.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "ids/semantic_ids.h"
#include "tests/ids/random_rows.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

Codebooks train(const std::vector<float>& rows, int64_t dim,
                const ResidualQuantizerOptions& options) {
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  return train_residual_quantizer(shard_of(rows, dim, 0, std::ssize(rows) / dim), options, *comm,
                                  pool);
}

ResidualQuantizerOptions small_options() {
  ResidualQuantizerOptions options;
  options.num_codes = {8, 5, 6};
  options.norm = NormHandling::kRaw;
  return options;
}

// |x' - sum of codes|^2
double error_of(const float* x, const int32_t* path, const Codebooks& codebooks) {
  double sum = 0;
  for (int64_t j = 0; j < codebooks.dim(); ++j) {
    double left = double(x[j]) - codebooks.mean[j];
    for (int64_t l = 0; l < codebooks.num_levels(); ++l)
      left -= codebooks.levels[l].row(path[l])[j];
    sum += left * left;
  }
  return sum;
}

TEST(ResidualQuantizer, FindsTheBestPathOfAllWhenTheBeamHoldsThemAll) {
  const int64_t n = 600, dim = 6;
  const auto rows = clustered_rows(n, dim, 20, 11);
  const auto codebooks = train(rows, dim, small_options());
  ThreadPool pool(2);
  const auto codes = encode(shard_of(rows, dim, 0, n), codebooks, 64, pool);
  for (int64_t i = 0; i < n; ++i) {
    double best = std::numeric_limits<double>::infinity();
    for (int32_t a = 0; a < 8; ++a) {
      for (int32_t b = 0; b < 5; ++b) {
        for (int32_t c = 0; c < 6; ++c) {
          const int32_t path[] = {a, b, c};
          best = std::min(best, error_of(&rows[i * dim], path, codebooks));
        }
      }
    }
    EXPECT_NEAR(error_of(&rows[i * dim], &codes[i * 3], codebooks), best, 1e-6) << "row " << i;
  }
}

TEST(ResidualQuantizer, TakesTheNearestCodeOfEachLevelWithABeamOfOne) {
  const int64_t n = 600, dim = 6;
  const auto rows = clustered_rows(n, dim, 20, 12);
  const auto codebooks = train(rows, dim, small_options());
  ThreadPool pool(1);
  const auto codes = encode(shard_of(rows, dim, 0, n), codebooks, 1, pool);
  for (int64_t i = 0; i < n; ++i) {
    std::vector<double> left(dim);
    for (int64_t j = 0; j < dim; ++j) left[j] = double(rows[i * dim + j]) - codebooks.mean[j];
    for (int64_t l = 0; l < 3; ++l) {
      double best = std::numeric_limits<double>::infinity(), chosen = 0;
      for (int64_t k = 0; k < codebooks.levels[l].num_codes; ++k) {
        double d = 0;
        for (int64_t j = 0; j < dim; ++j) {
          d += std::pow(left[j] - codebooks.levels[l].row(k)[j], 2);
        }
        best = std::min(best, d);
        if (k == codes[i * 3 + l]) chosen = d;
      }
      EXPECT_NEAR(chosen, best, 1e-5);
      for (int64_t j = 0; j < dim; ++j) left[j] -= codebooks.levels[l].row(codes[i * 3 + l])[j];
    }
  }
}

TEST(ResidualQuantizer, ErrsLessWithAWiderBeam) {
  const int64_t n = 1500, dim = 12;
  const auto rows = clustered_rows(n, dim, 200, 13);
  ResidualQuantizerOptions options;
  options.num_codes = {16, 16, 16};
  const auto codebooks = train(rows, dim, options);
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  const auto shard = shard_of(rows, dim, 0, n);
  const auto snr = [&](int beam) {
    return measure_codes(shard, encode(shard, codebooks, beam, pool), codebooks, *comm)
        .back()
        .snr_db;
  };
  EXPECT_GT(snr(8), snr(1));
}

TEST(ResidualQuantizer, ReportsTheErrorThatItsCodesLeave) {
  const int64_t n = 400, dim = 6;
  const auto rows = clustered_rows(n, dim, 20, 14);
  const auto codebooks = train(rows, dim, small_options());
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  const auto shard = shard_of(rows, dim, 0, n);
  const auto codes = encode(shard, codebooks, 4, pool);
  const auto levels = measure_codes(shard, codes, codebooks, *comm);
  double signal = 0, error = 0;
  std::vector<int64_t> use(8);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < dim; ++j) signal += std::pow(rows[i * dim + j] - codebooks.mean[j], 2);
    error += error_of(&rows[i * dim], &codes[i * 3], codebooks);
    ++use[codes[i * 3]];
  }
  EXPECT_NEAR(levels[2].snr_db, 10 * std::log10(signal / error), 1e-4);
  double entropy = 0;
  for (int64_t count : use) {
    if (count > 0) entropy -= double(count) / n * std::log(double(count) / n);
  }
  EXPECT_NEAR(levels[0].perplexity, std::exp(entropy), 1e-9);
  EXPECT_EQ(levels[0].largest_code, *std::max_element(use.begin(), use.end()));
  EXPECT_EQ(levels[0].codes_used,
            std::count_if(use.begin(), use.end(), [](auto c) { return c > 0; }));
}

TEST(ResidualQuantizer, ScalesRowsAsAskedAndLeavesZerosAlone) {
  const std::vector<float> rows{3, 4, 0, 0};
  const auto shard = shard_of(rows, 2, 0, 2);
  EXPECT_THAT(normalize_rows(shard, NormHandling::kRaw, {1, 1}),
              testing::ElementsAre(2, 3, -1, -1));
  EXPECT_THAT(normalize_rows(shard, NormHandling::kUnit, {}),
              testing::ElementsAre(0.6F, 0.8F, 0, 0));
  EXPECT_THAT(normalize_rows(shard, NormHandling::kDamped, {}),
              testing::ElementsAre(testing::FloatNear(3 / std::sqrt(5.0F), 1e-6F),
                                   testing::FloatNear(4 / std::sqrt(5.0F), 1e-6F), 0, 0));
}

TEST(ResidualQuantizer, RefusesABeamOutOfRangeAndNoLevels) {
  const auto rows = clustered_rows(60, 4, 3, 15);
  const auto codebooks = train(rows, 4, small_options());
  ThreadPool pool(1);
  EXPECT_THAT(message_of<UsageError>([&] { encode(shard_of(rows, 4, 0, 60), codebooks, 0, pool); }),
              HasSubstr("--beam"));
  EXPECT_THAT(
      message_of<UsageError>([&] { encode(shard_of(rows, 4, 0, 60), codebooks, 65, pool); }),
      HasSubstr("--beam"));
  auto options = small_options();
  options.beam = 0;
  EXPECT_THAT(message_of<UsageError>([&] { train(rows, 4, options); }), HasSubstr("--beam"));
  options = small_options();
  options.num_codes.clear();
  EXPECT_THAT(message_of<UsageError>([&] { train(rows, 4, options); }), HasSubstr("--levels"));
}

SemanticIds build_on_ranks(const std::vector<float>& rows, int64_t dim, int num_ranks,
                           int num_threads) {
  const int64_t n = std::ssize(rows) / dim;
  data::StringTable keys;
  std::vector<int32_t> popularity;
  for (int64_t i = 0; i < n; ++i) {
    keys.push_back("track:" + std::to_string(i * 7919 % n));
    popularity.push_back(static_cast<int32_t>(i % 5));
  }
  ResidualQuantizerOptions options;
  options.num_codes = {32, 16, 24};
  SemanticIds result;
  run_ranks(num_ranks, [&](Communicator& comm) {
    ThreadPool pool(num_threads);
    auto ids = build_semantic_ids(owned_rows(rows.data(), n, dim, comm),
                                  owned_splits(n, kRowBlock, comm.size()), popularity, keys, "cf",
                                  options, comm, pool);
    if (comm.rank() == comm.size() - 1) result = std::move(ids);
  });
  return result;
}

TEST(SemanticIds, AreTheSameForAnyNumberOfRanksAndThreads) {
  const int64_t dim = 20;
  const auto rows = clustered_rows(2500, dim, 60, 16);
  const auto expected = build_on_ranks(rows, dim, 1, 1);
  for (int num_ranks : {1, 2, 3, 4, 7}) {  // 7 ranks share 5 blocks: two have no rows
    for (int num_threads : {1, 2}) {
      const auto ids = build_on_ranks(rows, dim, num_ranks, num_threads);
      EXPECT_EQ(ids.table.tokens, expected.table.tokens);
      EXPECT_EQ(ids.table.token_vectors, expected.table.token_vectors);
      EXPECT_EQ(ids.codebooks.mean, expected.codebooks.mean);
      for (size_t l = 0; l < 3; ++l) {
        EXPECT_EQ(ids.codebooks.levels[l].values, expected.codebooks.levels[l].values);
        EXPECT_EQ(ids.quantizer.levels[l].snr_db, expected.quantizer.levels[l].snr_db);
      }
    }
  }
}

TEST(SemanticIds, AreUniqueEvenWhenAllVectorsAreEqual) {
  const std::vector<float> rows(600 * 4, 0.25F);
  const auto ids = build_on_ranks(rows, 4, 2, 1);
  EXPECT_EQ(ids.groups.num_groups, 1);
  EXPECT_EQ(ids.groups.largest, 600);
  EXPECT_EQ(ids.table.levels.back().num_tokens, 600);
  EXPECT_EQ(ids.quantizer.levels.back().snr_db, 0);
  std::set<std::vector<int32_t>> distinct;
  for (int64_t t = 0; t < 600; ++t) {
    distinct.insert({ids.table.id_of(t).begin(), ids.table.id_of(t).end()});
  }
  EXPECT_EQ(distinct.size(), 600U);
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
  auto comm = make_single_communicator();
  ThreadPool pool(1);
  ResidualQuantizerOptions options;
  options.num_codes = {INT32_MAX - 100, 100};
  EXPECT_THAT(
      message_of<UsageError>([&] {
        build_semantic_ids(shard_of(rows, 4, 0, 60), {0, 60}, {}, {}, "cf", options, *comm, pool);
      }),
      HasSubstr("--num-codes"));
}

}  // namespace
}  // namespace tutti::ids
