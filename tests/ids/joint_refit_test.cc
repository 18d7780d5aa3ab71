#include "ids/joint_refit.h"

#include <gtest/gtest.h>

#include "ids/residual_quantizer.h"
#include "tests/ids/random_rows.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

double error_of(const std::vector<float>& rows, const std::vector<int32_t>& codes,
                const Codebooks& codebooks) {
  const int64_t dim = codebooks.dim(), num_levels = codebooks.num_levels();
  double sum = 0;
  for (int64_t i = 0; i < std::ssize(rows) / dim; ++i) {
    for (int64_t j = 0; j < dim; ++j) {
      double left = rows[i * dim + j];
      for (int64_t l = 0; l < num_levels; ++l) {
        left -= codebooks.levels[l].row(codes[i * num_levels + l])[j];
      }
      sum += left * left;
    }
  }
  return sum;
}

struct Case {
  int64_t n = 900, dim = 4;
  std::vector<float> rows = clustered_rows(n, dim, 40, 31);
  std::vector<int32_t> codes;
  Codebooks codebooks;

  Case() {
    Rng rng(5, Purpose::kTest);
    codebooks.mean.assign(dim, 0);
    for (const int64_t k : {7, 5, 6}) {
      Codebook level{k, dim, {}};
      for (int64_t v = 0; v < k * dim; ++v) level.values.push_back(float(rng.normal()));
      codebooks.levels.push_back(level);
    }
    for (int64_t i = 0; i < n; ++i) {  // code 6 of level 0 stays without rows
      for (const uint64_t k : {6, 5, 6}) codes.push_back(static_cast<int32_t>(rng.below(k)));
    }
  }
};

TEST(JointRefit, ReachesTheLeastSquaresSolution) {
  Case c;
  auto source = source_of(c.rows, c.dim, 0, c.n);
  auto comm = make_single_communicator();
  ThreadPool pool(2);
  const auto start = c.codebooks;
  refit_codebooks(source, c.codes, &c.codebooks, *comm, pool);
  const double error = error_of(c.rows, c.codes, c.codebooks);
  EXPECT_LT(error, error_of(c.rows, c.codes, start));
  // At the least-squares solution what is left has no mean over the rows of any code.
  for (int64_t l = 0; l < 3; ++l) {
    for (int64_t k = 0; k < c.codebooks.levels[l].num_codes; ++k) {
      std::vector<double> left(c.dim);
      int64_t count = 0;
      for (int64_t i = 0; i < c.n; ++i) {
        if (c.codes[i * 3 + l] != k) continue;
        ++count;
        for (int64_t j = 0; j < c.dim; ++j) {
          left[j] += c.rows[i * c.dim + j];
          for (int64_t m = 0; m < 3; ++m) {
            left[j] -= c.codebooks.levels[m].row(c.codes[i * 3 + m])[j];
          }
        }
      }
      for (const double sum : left) {
        EXPECT_NEAR(sum / double(std::max<int64_t>(1, count)), 0, 1e-4);
      }
    }
  }
  const auto unused = c.codebooks.levels[0].row(6), before = start.levels[0].row(6);
  EXPECT_TRUE(std::equal(unused.begin(), unused.end(), before.begin()));
}

TEST(JointRefit, GivesTheSameBytesForAnyRanksAndThreads) {
  const Case c;
  std::vector<Codebooks> results;
  for (const auto& split : std::vector<std::vector<int64_t>>{
           {0, 900}, {0, 512, 900}, {0, 0, 900}, {0, 100, 513, 900}}) {
    for (const int threads : {1, 2}) {
      run_ranks(static_cast<int>(split.size()) - 1, [&](Communicator& comm) {
        ThreadPool pool(threads);
        const int64_t first = split[comm.rank()], last = split[comm.rank() + 1];
        auto mine = source_of(c.rows, c.dim, first, last);
        auto codebooks = c.codebooks;
        refit_codebooks(mine, std::span(c.codes).subspan(first * 3, (last - first) * 3), &codebooks,
                        comm, pool);
        if (comm.is_root()) results.push_back(codebooks);
      });
    }
  }
  for (const auto& result : results) {
    for (size_t l = 0; l < 3; ++l) EXPECT_EQ(result.levels[l].values, results[0].levels[l].values);
  }
}

TEST(JointRefit, LowersTheErrorOfATrainedQuantizer) {
  const int64_t n = 3000, dim = 8;
  const auto rows = clustered_rows(n, dim, 300, 33);
  auto source = source_of(rows, dim, 0, n);
  auto comm = make_single_communicator();
  ThreadPool pool(2);
  ResidualQuantizerOptions options;
  options.num_codes = {16, 16, 16};
  options.norm = NormHandling::kRaw;
  QuantizerStatistics statistics;
  const auto codebooks = train_residual_quantizer(source, options, *comm, pool, &statistics);
  ASSERT_GE(statistics.refit_snr_db.size(), 2U);
  EXPECT_GT(statistics.refit_snr_db.back(), statistics.refit_snr_db.front() + 0.05);
  const auto codes = encode(source, codebooks, options.beam, pool);
  EXPECT_EQ(measure_codes(source, codes, codebooks, *comm, pool).back().snr_db,
            statistics.refit_snr_db.back());
}

}  // namespace
}  // namespace tutti::ids
