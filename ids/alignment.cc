#include "ids/alignment.h"

#include <algorithm>
#include <cmath>

#include "dist/runtime/errors.h"
#include "ids/fixed_point.h"
#include "ids/matrix.h"
#include "ids/residual_rows.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

// No coordinate of mean plus a code of each level is larger.
double largest_sum(const Codebooks& codebooks) {
  double bound = max_abs(codebooks.mean.data(), codebooks.dim());
  for (const auto& level : codebooks.levels) {
    bound += max_abs(level.values.data(), std::ssize(level.values));
  }
  return bound;
}

void add_up(std::vector<std::vector<int64_t>>& threads, Communicator& comm) {
  auto& total = threads[0];
  for (size_t t = 1; t < threads.size(); ++t) {
    for (size_t i = 0; i < total.size(); ++i) total[i] += threads[t][i];
  }
  comm.all_reduce_sum(std::span<int64_t>(total));
}

std::vector<float> turned(const std::vector<double>& rotation, std::span<const float> rows,
                          int64_t dim) {
  std::vector<float> result(rows.size());
  for (int64_t first = 0; first < std::ssize(rows); first += dim) {
    for (int64_t i = 0; i < dim; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < dim; ++j) sum += rotation[i * dim + j] * rows[first + j];
      result[first + i] = static_cast<float>(sum);
    }
  }
  return result;
}

}  // namespace

double snr_of_known(RowSource& rows, std::span<const int32_t> codes, const Codebooks& codebooks,
                    Communicator& comm, ThreadPool& pool) {
  const int64_t num_levels = codebooks.num_levels(), dim = codebooks.dim();
  ResidualRows vectors(rows, codebooks.norm, codebooks.mean);
  const double bound = max_abs_of_finite(vectors, comm, pool) + largest_sum(codebooks);
  const double scale = fixed_point_scale(rows.total(), bound * bound * static_cast<double>(dim));
  std::vector<std::vector<int64_t>> threads(pool.num_threads(), std::vector<int64_t>(2));
  vectors.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
    std::vector<const float*> terms;
    for (int64_t i = 0; i < part.count; ++i) {
      const int32_t* path = &codes[(part.local + i) * num_levels];
      if (path[0] == kNoCode) continue;
      terms.clear();
      for (int64_t l = 0; l < num_levels; ++l) {
        terms.push_back(codebooks.levels[l].row(path[l]).data());
      }
      threads[t][0] += to_fixed_point(squared_norm(values + i * dim, dim), scale);
      threads[t][1] += to_fixed_point(squared_distance(values + i * dim, terms, dim), scale);
    }
  });
  add_up(threads, comm);
  const auto signal = static_cast<double>(threads[0][0]);
  const auto error = static_cast<double>(std::max<int64_t>(1, threads[0][1]));
  return signal > 0 ? 10 * std::log10(signal / error) : 0;
}

Codebooks turn_to_rows(RowSource& rows, std::span<const int32_t> codes, const Codebooks& codebooks,
                       Communicator& comm, ThreadPool& pool) {
  TUTTI_CHECK(rows.count() == 0 || rows.first() % kRowBlock == 0, "shares of whole blocks");
  const int64_t num_levels = codebooks.num_levels(), dim = codebooks.dim();
  ResidualRows vectors(rows, codebooks.norm, {});
  const double bound = std::max(max_abs_of_finite(vectors, comm, pool), largest_sum(codebooks));
  const double scale = fixed_point_scale(rows.total(), bound * bound);
  // [vector | what its codes stand for], zeros in rows without codes: the block's Gram matrix holds
  // the products of both.
  struct Thread {
    AlignedFloats pairs, product;
  };
  std::vector<Thread> scratch(pool.num_threads());
  for (auto& thread : scratch) {
    thread.pairs.reserve(kRowBlock * 2 * dim);
    thread.product.reserve(4 * dim * dim);
  }
  std::vector<std::vector<int64_t>> sums(pool.num_threads(), std::vector<int64_t>(dim * dim));
  vectors.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
    auto& [pairs, product] = scratch[t];
    std::fill_n(pairs.data(), kRowBlock * 2 * dim, 0.0F);
    for (int64_t i = 0; i < part.count; ++i) {
      const int32_t* path = &codes[(part.local + i) * num_levels];
      if (path[0] == kNoCode) continue;
      float* pair = pairs.data() + (part.offset + i) * 2 * dim;
      std::copy_n(values + i * dim, dim, pair);
      std::ranges::copy(codebooks.mean, pair + dim);
      for (int64_t l = 0; l < num_levels; ++l) {
        const auto code = codebooks.levels[l].row(path[l]);
        for (int64_t j = 0; j < dim; ++j) pair[dim + j] += code[j];
      }
    }
    gram_of_block(pairs.data(), kRowBlock, 2 * dim, product.data());
    for (int64_t i = 0; i < dim; ++i) {  // vector^T decoded
      add_fixed_point(product.data() + i * 2 * dim + dim, dim, scale, &sums[t][i * dim]);
    }
  });
  add_up(sums, comm);

  // The rotation R that makes R decoded nearest to the vectors is U V^T of sum vector decoded^T.
  std::vector<double> rotation(dim * dim);
  if (comm.is_root()) {
    std::ranges::transform(sums[0], rotation.begin(),
                           [&](int64_t sum) { return static_cast<double>(sum) / scale; });
    rotation = nearest_rotation(rotation, dim);
  }
  comm.broadcast(rotation.data(), dim * dim * static_cast<int64_t>(sizeof(double)), 0);
  Codebooks result = codebooks;
  result.mean = turned(rotation, codebooks.mean, dim);
  for (auto& level : result.levels) level.values = turned(rotation, level.values, dim);
  result.atoms.values = turned(rotation, result.atoms.values, dim);
  return result;
}

}  // namespace tutti::ids
