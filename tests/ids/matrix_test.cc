#include "ids/matrix.h"

#include <vector>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "ids/vector_ops.h"
#include "tests/ids/random_rows.h"

namespace tutti::ids {
namespace {

TEST(Matrix, MultipliesByTheTranspose) {
  const int64_t m = 5, n = 3, k = 4;
  const auto a = clustered_rows(m, k, 2, 31), b = clustered_rows(n, k, 2, 32);
  std::vector<float> out(m * n);
  multiply_by_transpose(a.data(), m, b.data(), n, k, out.data());
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t c = 0; c < k; ++c) sum += double(a[i * k + c]) * b[j * k + c];
      EXPECT_NEAR(out[i * n + j], sum, 1e-5);
    }
  }
}

TEST(Matrix, LeavesTheNumberOfThreadsAsItWas) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  std::vector<float> a(4, 1), out(4);
  multiply_by_transpose(a.data(), 2, a.data(), 2, 2, out.data());
  EXPECT_EQ(at::get_num_threads(), 2);
  at::set_num_threads(before);
}

TEST(Matrix, SolvesAPositiveDefiniteSystem) {
  for (int64_t d : {1, 2, 7, 64}) {
    const auto x = clustered_rows(3 * d, d, 3, 33);
    std::vector<float> a(d * d), b(d);
    gram_of_block(x.data(), 3 * d, d, a.data());
    for (int64_t i = 0; i < d; ++i) a[i * d + i] += static_cast<float>(d);
    const auto expected = clustered_rows(1, d, 1, 34);
    rows_times_vector(a.data(), d, d, expected.data(), b.data());
    ASSERT_TRUE(solve_positive_definite(a.data(), d, b.data()));
    for (int64_t i = 0; i < d; ++i) EXPECT_NEAR(b[i], expected[i], 1e-3);
  }
}

TEST(Matrix, FindsTheAxesOfASymmetricMatrix) {
  // Axes (1, 1) and (1, -1) over sqrt 2, values 3 and 1.
  const auto eigen = eigen_of_symmetric({2, 1, 1, 2}, 2);
  EXPECT_NEAR(eigen.values[0], 1, 1e-12);
  EXPECT_NEAR(eigen.values[1], 3, 1e-12);
  EXPECT_NEAR(eigen.vectors[0], -eigen.vectors[1], 1e-12);
  EXPECT_NEAR(eigen.vectors[2], eigen.vectors[3], 1e-12);
  EXPECT_NEAR(eigen.vectors[2] * eigen.vectors[2], 0.5, 1e-12);
}

TEST(Matrix, SaysWhenAMatrixIsNotPositiveDefinite) {
  std::vector<float> a{1, 2, 2, 1}, b{1, 1};
  EXPECT_FALSE(solve_positive_definite(a.data(), 2, b.data()));
}

TEST(VectorOps, HandleLengthsThatAreNotWholeLanes) {
  for (int64_t dim : {1, 7, 8, 9, 16, 31, 33}) {
    const auto rows = clustered_rows(2, dim, 2, 35);
    const float *a = rows.data(), *b = rows.data() + dim;
    double dot = 0, distance = 0, norm = 0;
    for (int64_t j = 0; j < dim; ++j) {
      dot += double(a[j]) * b[j];
      distance += (double(a[j]) - b[j]) * (double(a[j]) - b[j]);
      norm += double(a[j]) * a[j];
    }
    float product = 0;
    rows_times_vector(a, 1, dim, b, &product);
    EXPECT_NEAR(product, dot, 1e-4);
    EXPECT_NEAR(squared_distance(a, b, dim), distance, 1e-9);
    EXPECT_NEAR(squared_norm(a, dim), norm, 1e-9);
  }
}

}  // namespace
}  // namespace tutti::ids
