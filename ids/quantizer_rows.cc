#include "ids/quantizer_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "ids/fixed_point.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

std::vector<float> mean_of_rows(RowSource& rows, double largest, Communicator& comm,
                                ThreadPool& pool) {
  const double scale = fixed_point_scale(rows.total(), largest);
  const int64_t dim = rows.dim();
  std::vector<std::vector<int64_t>> threads(pool.num_threads(), std::vector<int64_t>(dim));
  rows.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
    for (int64_t i = 0; i < part.count; ++i) {
      add_fixed_point(values + i * dim, dim, scale, threads[t].data());
    }
  });
  std::vector<float> mean;
  for (const int64_t sum : total_of(threads, comm)) {
    mean.push_back(static_cast<float>(static_cast<double>(sum) / scale /
                                      static_cast<double>(std::max<int64_t>(1, rows.total()))));
  }
  return mean;
}

// Scores are sums of squares in fp32.
void check_range(double largest, int64_t dim) {
  const double limit = std::sqrt(std::numeric_limits<float>::max() / 64 / static_cast<double>(dim));
  if (largest < limit) return;
  throw DataError({"", "", fmt::format("a value of magnitude {:.3g}", largest),
                   fmt::format("at most {:.3g}", limit), "scale the vectors, or use --norm unit"});
}

}  // namespace

QuantizerRows rows_to_train_on(RowSource& all_rows, NormHandling norm, int64_t sample_rows,
                               uint64_t seed, Communicator& comm, ThreadPool& pool) {
  QuantizerRows result;
  ResidualRows scaled(all_rows, norm, {});
  const double largest = max_abs_of_finite(scaled, comm, pool);
  check_range(largest, all_rows.dim());
  if (sample_rows > 0 && sample_rows < all_rows.total()) {
    result.sample = std::make_unique<SampledRows>(all_rows, sample_rows, seed);
  }
  result.rows = result.sample ? &result.sample->rows() : &all_rows;
  ResidualRows unshifted(*result.rows, norm, {});
  result.mean = mean_of_rows(unshifted, largest, comm, pool);
  return result;
}

std::vector<int64_t> total_of(std::vector<std::vector<int64_t>>& threads, Communicator& comm) {
  auto& total = threads[0];
  for (size_t t = 1; t < threads.size(); ++t) {
    for (size_t i = 0; i < total.size(); ++i) total[i] += threads[t][i];
  }
  comm.all_reduce_sum(std::span<int64_t>(total));
  return std::move(total);
}

double to_decibel(int64_t signal, int64_t error) {
  if (signal == 0) return 0;  // all rows equal: nothing to stand for
  return 10 *
         std::log10(static_cast<double>(signal) / static_cast<double>(std::max<int64_t>(1, error)));
}

}  // namespace tutti::ids
