#include "ids/residual_quantizer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/residual_rows.h"
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
  auto source = source_of(rows, dim, 0, std::ssize(rows) / dim);
  return train_residual_quantizer(source, options, *comm, pool);
}

ResidualQuantizerOptions small_options() {
  ResidualQuantizerOptions options;
  options.num_codes = {8, 5, 6};
  options.norm = NormHandling::kRaw;
  return options;
}

// |x' - sum of codes|^2, and the prices of the codes
double error_of(const float* x, const int32_t* path, const Codebooks& codebooks) {
  double sum = 0;
  for (int64_t j = 0; j < codebooks.dim(); ++j) {
    double left = double(x[j]) - codebooks.mean[j];
    for (int64_t l = 0; l < codebooks.num_levels(); ++l)
      left -= codebooks.levels[l].row(path[l])[j];
    sum += left * left;
  }
  for (int64_t l = 0; l < codebooks.num_levels(); ++l) sum += codebooks.levels[l].price(path[l]);
  return sum;
}

TEST(ResidualQuantizer, FindsTheBestPathOfAllWhenTheBeamHoldsThemAll) {
  const int64_t n = 600, dim = 6;
  const auto rows = clustered_rows(n, dim, 20, 11);
  auto codebooks = train(rows, dim, small_options());
  codebooks.levels[1].prices = {0, 0.3F, 0.02F, 1, 0};
  ThreadPool pool(2);
  auto source = source_of(rows, dim, 0, n);
  const auto codes = encode(source, codebooks, 64, pool);
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
  auto source = source_of(rows, dim, 0, n);
  const auto codes = encode(source, codebooks, 1, pool);
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
  auto shard = source_of(rows, dim, 0, n);
  const auto snr = [&](int beam) {
    return measure_codes(shard, encode(shard, codebooks, beam, pool), codebooks, *comm, pool)
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
  auto shard = source_of(rows, dim, 0, n);
  const auto codes = encode(shard, codebooks, 4, pool);
  const auto levels = measure_codes(shard, codes, codebooks, *comm, pool);
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
  auto source = source_of(rows, 2, 0, 2);
  ThreadPool pool(1);
  const auto scaled = [&](NormHandling norm, const std::vector<float>& mean) {
    std::vector<float> result(4), gathered(2);
    ResidualRows vectors(source, norm, mean);
    vectors.for_each_block(pool, [&](const float* values, const RowBlock& part, int) {
      std::copy_n(values, part.count * 2, &result[part.local * 2]);
    });
    const std::vector<int64_t> second{1};
    vectors.gather(second, gathered.data());
    EXPECT_THAT(gathered, testing::ElementsAre(result[2], result[3]));
    return result;
  };
  EXPECT_THAT(scaled(NormHandling::kRaw, {1, 1}), testing::ElementsAre(2, 3, -1, -1));
  EXPECT_THAT(scaled(NormHandling::kUnit, {}), testing::ElementsAre(0.6F, 0.8F, 0, 0));
  EXPECT_THAT(scaled(NormHandling::kDamped, {}),
              testing::ElementsAre(testing::FloatNear(3 / std::sqrt(5.0F), 1e-6F),
                                   testing::FloatNear(4 / std::sqrt(5.0F), 1e-6F), 0, 0));
}

TEST(ResidualQuantizer, TrainsOnTheSampleAskedForAndOnNothingElse) {
  const int64_t n = 4000, dim = 6, size = 900;
  const auto rows = clustered_rows(n, dim, 40, 22);
  auto options = small_options();
  options.sample_rows = size;
  options.seed = 5;
  // The sample by itself, as a table of its own.
  std::vector<int64_t> chosen;
  const Permutation permutation(n, options.seed, Purpose::kRowSample);
  for (int64_t i = 0; i < size; ++i) chosen.push_back(static_cast<int64_t>(permutation(i)));
  std::ranges::sort(chosen);
  EXPECT_EQ(std::ranges::adjacent_find(chosen), chosen.end());
  std::vector<float> sample;
  for (const int64_t row : chosen) {
    sample.insert(sample.end(), &rows[row * dim], rows.data() + (row + 1) * dim);
  }
  auto all_of_it = options;
  all_of_it.sample_rows = 0;
  const auto expected = train(sample, dim, all_of_it);
  for (const std::vector<int64_t>& split :
       std::vector<std::vector<int64_t>>{{0, n}, {0, 700, n}, {0, 0, 512, 3999, n}}) {
    run_ranks(static_cast<int>(split.size()) - 1, [&](Communicator& comm) {
      ThreadPool pool(2);
      auto mine = source_of(rows, dim, split[comm.rank()], split[comm.rank() + 1]);
      QuantizerStatistics statistics;
      const auto codebooks = train_residual_quantizer(mine, options, comm, pool, &statistics);
      EXPECT_EQ(statistics.trained_on, size);
      for (size_t l = 0; l < 3; ++l) {
        EXPECT_EQ(codebooks.levels[l].values, expected.levels[l].values);
      }
    });
  }
  options.sample_rows = n + 1;  // more than there are: all
  EXPECT_EQ(train(rows, dim, options).levels[0].values,
            train(rows, dim, all_of_it).levels[0].values);
}

TEST(ResidualQuantizer, RefusesASampleSmallerThanTheCodesAndRowsOutsideItThatAreNotFinite) {
  auto rows = clustered_rows(300, 4, 3, 23);
  auto options = small_options();
  options.sample_rows = 7;
  EXPECT_THAT(message_of<UsageError>([&] { train(rows, 4, options); }),
              HasSubstr("--sample: found 7, expected at least one row a code, 8"));
  options.sample_rows = 10;
  const Permutation permutation(300, options.seed, Purpose::kRowSample);
  const auto outside = static_cast<int64_t>(permutation(299));
  rows[outside * 4] = INFINITY;
  EXPECT_THAT(message_of<DataError>([&] { train(rows, 4, options); }),
              HasSubstr("row " + std::to_string(outside)));
}

TEST(ResidualQuantizer, RefusesABeamOutOfRangeAndNoLevels) {
  const auto rows = clustered_rows(60, 4, 3, 15);
  const auto codebooks = train(rows, 4, small_options());
  ThreadPool pool(1);
  auto source = source_of(rows, 4, 0, 60);
  for (const int beam : {0, 65}) {
    EXPECT_THAT(message_of<UsageError>([&] { encode(source, codebooks, beam, pool); }),
                HasSubstr("--beam"));
  }
  auto options = small_options();
  options.beam = 0;
  EXPECT_THAT(message_of<UsageError>([&] { train(rows, 4, options); }), HasSubstr("--beam"));
  for (const double balance : {0.5, -1.0, double{NAN}}) {
    options = small_options();
    options.balance = balance;
    EXPECT_THAT(message_of<UsageError>([&] { train(rows, 4, options); }), HasSubstr("--balance"));
  }
  options = small_options();
  options.num_codes.clear();
  EXPECT_THAT(message_of<UsageError>([&] { train(rows, 4, options); }), HasSubstr("--levels"));
}

}  // namespace
}  // namespace tutti::ids
