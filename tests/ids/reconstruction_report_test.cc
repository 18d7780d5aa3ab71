#include "ids/reconstruction_report.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "ids/nearest_rows.h"
#include "tests/ids/random_rows.h"

namespace tutti::ids {
namespace {

struct Case {
  std::vector<float> rows;
  int64_t n = 0, dim = 0;
  Codebooks codebooks;
  std::vector<int32_t> codes;

  ReconstructionReport report(const ReconstructionOptions& options, int num_threads = 1) const {
    RowsInMemory source({rows.data(), 0, n, n, dim});
    ThreadPool pool(num_threads);
    return report_reconstruction(source, codes, codebooks, options, pool);
  }
};

// Every track has a code of its own on two levels: rows = first + second + a little.
Case own_codes(int64_t n, int64_t dim, float noise) {
  Case c;
  c.n = n;
  c.dim = dim;
  c.rows = clustered_rows(n, dim, 40, 5);
  c.codebooks.mean.assign(dim, 0);
  Codebook first{n, dim, c.rows}, second{2, dim, std::vector<float>(2 * dim)};
  Rng rng(6, Purpose::kTest);
  for (auto& value : first.values) value += noise * static_cast<float>(rng.normal());
  for (int64_t j = 0; j < dim; ++j) second.values[dim + j] = noise;
  c.codebooks.levels = {first, second};
  for (int64_t i = 0; i < n; ++i) {
    c.codes.insert(c.codes.end(), {static_cast<int32_t>(i), static_cast<int32_t>(i % 2)});
  }
  return c;
}

TEST(ReconstructionReport, FindsAllNeighboursAgainWhenNothingIsLost) {
  auto c = own_codes(700, 8, 0);
  const auto report = c.report({.num_queries = 100});
  EXPECT_EQ(report.num_queries, 100);
  EXPECT_EQ(report.recall, 1);
  EXPECT_EQ(report.snr_db[0], INFINITY);
}

TEST(ReconstructionReport, AgreesWithBruteForce) {
  const int64_t n = 700, dim = 8;
  const auto c = own_codes(n, dim, 0.4F);
  const auto decoded = [&](int64_t t) {
    std::vector<float> x(dim);
    for (int64_t j = 0; j < dim; ++j) {
      x[j] = c.codebooks.levels[0].row(t)[j] + c.codebooks.levels[1].row(t % 2)[j];
    }
    return x;
  };
  double signal = 0, error[2] = {0, 0};
  int right = 0;
  for (int64_t q = 0; q < n; ++q) {
    std::vector<std::pair<double, int64_t>> by_vector, by_code;
    const auto x = decoded(q);
    for (int64_t j = 0; j < dim; ++j) {
      signal += std::pow(c.rows[q * dim + j], 2);
      error[0] += std::pow(double(c.rows[q * dim + j]) - c.codebooks.levels[0].row(q)[j], 2);
      error[1] += std::pow(double(c.rows[q * dim + j]) - x[j], 2);
    }
    for (int64_t t = 0; t < n; ++t) {
      if (t == q) continue;
      const auto y = decoded(t);
      double a = 0, b = 0;
      for (int64_t j = 0; j < dim; ++j) {
        a += std::pow(double(c.rows[q * dim + j]) - c.rows[t * dim + j], 2);
        b += std::pow(double(x[j]) - y[j], 2);
      }
      by_vector.emplace_back(a, t);
      by_code.emplace_back(b, t);
    }
    std::ranges::sort(by_vector);
    std::ranges::sort(by_code);
    for (int i = 0; i < 10; ++i) {
      for (const auto& [distance, t] : by_vector) {
        right += t == by_code[i].second && distance <= by_vector[9].first;
      }
    }
  }
  const auto report = c.report({.num_queries = n});
  EXPECT_NEAR(report.recall, right / (10.0 * n), 1e-9);
  EXPECT_GT(report.recall, 0.2);
  EXPECT_LT(report.recall, 0.95);
  EXPECT_NEAR(report.snr_db[0], 10 * std::log10(signal / error[0]), 1e-6);
  EXPECT_NEAR(report.snr_db[1], 10 * std::log10(signal / error[1]), 1e-6);
}

TEST(ReconstructionReport, IsChanceWhenAllTracksShareACode) {
  auto c = own_codes(400, 6, 0);
  std::ranges::fill(c.codes, 0);
  const auto report = c.report({.num_queries = 400});
  EXPECT_NEAR(report.recall, 10.0 / 399, 0.01);
}

TEST(ReconstructionReport, DoesNotDependOnThreads) {
  const auto c = own_codes(1500, 8, 0.4F);
  const auto one = c.report({.num_queries = 50}), two = c.report({.num_queries = 50}, 2);
  EXPECT_EQ(one.recall, two.recall);
  EXPECT_EQ(one.snr_db, two.snr_db);
  EXPECT_EQ(one.bound_db, two.bound_db);
}

TEST(ReconstructionReport, OfOneTrackIsEmpty) {
  const auto c = own_codes(1, 4, 0);
  EXPECT_TRUE(c.report({}).snr_db.empty());
}

TEST(GaussianBound, IsSixDecibelABitAndAxisWhenAllAxesAreAlike) {
  EXPECT_NEAR(gaussian_bound_db(std::vector<double>(128, 2.5), 30), 20 * std::log10(2.0) * 30 / 128,
              1e-9);
  EXPECT_EQ(gaussian_bound_db({0, 0}, 30), 0);
}

// Bits and error as functions of the water level, searched for the bits asked.
TEST(GaussianBound, AgreesWithASearchForTheWaterLevel) {
  const std::vector<double> variances{0.5, 9, 0.01, 3, 3, 0, 1};
  for (const double bits : {0.25, 1.0, 4.0, 12.0, 40.0}) {
    double low = 1e-12, high = 9;
    for (int i = 0; i < 200; ++i) {
      const double water = std::sqrt(low * high);
      double needed = 0;
      for (const double v : variances) needed += std::max(0.0, 0.5 * std::log2(v / water));
      (needed > bits ? low : high) = water;
    }
    double signal = 0, error = 0;
    for (const double v : variances) {
      signal += v;
      error += std::min(v, high);
    }
    EXPECT_NEAR(gaussian_bound_db(variances, bits), 10 * std::log10(signal / error), 1e-6) << bits;
  }
}

TEST(NearestRows, KeepsTheNearestOfAllBlocks) {
  const int64_t n = 1300, dim = 5;
  const auto rows = clustered_rows(n, dim, 30, 8);
  NearestRows nearest({rows.begin() + 7 * dim, rows.begin() + 9 * dim}, dim, 20, 2);
  for (int64_t first = 0; first < n; first += kRowBlock) {
    nearest.add(rows.data() + first * dim, first, std::min(kRowBlock, n - first),
                static_cast<int>(first / kRowBlock % 2));
  }
  for (int q = 0; q < 2; ++q) {
    std::vector<std::pair<double, int64_t>> all;
    for (int64_t t = 0; t < n; ++t) {
      double d = 0;
      for (int64_t j = 0; j < dim; ++j) {
        d += std::pow(double(rows[t * dim + j]) - rows[(7 + q) * dim + j], 2);
      }
      all.emplace_back(d, t);
    }
    std::ranges::sort(all);
    const auto found = nearest.candidates(q);
    ASSERT_EQ(found.size(), 20U);
    const std::set<int64_t> kept(found.begin(), found.end());
    for (int i = 0; i < 15; ++i) EXPECT_TRUE(kept.contains(all[i].second));
  }
}

}  // namespace
}  // namespace tutti::ids
