#include "ids/residual_quantizer.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/beam_encoder.h"
#include "ids/fixed_point.h"
#include "ids/nearest_code.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

std::vector<float> mean_of_rows(const RowShard& rows, Communicator& comm) {
  const double scale = fixed_point_scale(rows.total, max_abs(rows, comm));
  std::vector<int64_t> sums(rows.dim);
  for (int64_t i = 0; i < rows.count; ++i) {
    add_fixed_point(rows.row(i), rows.dim, scale, sums.data());
  }
  comm.all_reduce_sum(std::span<int64_t>(sums));
  std::vector<float> mean;
  mean.reserve(rows.dim);
  for (int64_t sum : sums) {
    mean.push_back(static_cast<float>(static_cast<double>(sum) / scale /
                                      static_cast<double>(std::max<int64_t>(1, rows.total))));
  }
  return mean;
}

// Takes the nearest code of each row off the rows.
void subtract_nearest(const RowShard& rows, const Codebook& codebook, ThreadPool& pool,
                      float* residuals) {
  const NearestCode nearest(codebook);
  struct Thread {
    AlignedFloats block;
    NearestCode::Scratch scratch;
  };
  std::vector<Thread> threads(pool.num_threads());
  pool.for_each_block(num_row_blocks(rows), [&](int64_t index, int t) {
    auto& [block, scratch] = threads[t];
    const auto part = row_block(rows, index);
    copy_block(rows, part, block);
    int32_t codes[kRowBlock];
    double distances[kRowBlock];
    nearest.find(block, part, scratch, codes, distances);
    for (int64_t i = 0; i < part.count; ++i) {
      subtract(codebook.row(codes[i]).data(), rows.dim, residuals + (part.local + i) * rows.dim);
    }
  });
}

double to_decibel(int64_t signal, int64_t error) {
  if (signal == 0) return 0;  // all rows equal: nothing to stand for
  return 10 *
         std::log10(static_cast<double>(signal) / static_cast<double>(std::max<int64_t>(1, error)));
}

}  // namespace

std::vector<float> normalize_rows(const RowShard& rows, NormHandling norm,
                                  const std::vector<float>& mean) {
  std::vector<float> result(rows.values, rows.values + rows.count * rows.dim);
  for (int64_t i = 0; i < rows.count; ++i) {
    float* x = result.data() + i * rows.dim;
    const double length = std::sqrt(squared_norm(x, rows.dim));
    double factor = 1;  // a row of zeros stays
    if (length > 0 && norm == NormHandling::kUnit) factor = 1 / length;
    if (length > 0 && norm == NormHandling::kDamped) factor = 1 / std::sqrt(length);
    for (int64_t j = 0; j < rows.dim; ++j) x[j] = static_cast<float>(x[j] * factor);
    if (!mean.empty()) subtract(mean.data(), rows.dim, x);
  }
  return result;
}

Codebooks train_residual_quantizer(const RowShard& rows, const ResidualQuantizerOptions& options,
                                   Communicator& comm, ThreadPool& pool,
                                   std::vector<std::vector<KMeansStep>>* log) {
  if (options.num_codes.empty()) {
    throw UsageError({"", "--levels", "0", "at least one level", ""});
  }
  BeamEncoder::check_beam(options.beam);  // before the training, not after it
  require_finite(rows, comm);
  Codebooks codebooks;
  codebooks.norm = options.norm;
  auto residuals = normalize_rows(rows, options.norm, {});
  RowShard left = rows;
  left.values = residuals.data();
  codebooks.mean = mean_of_rows(left, comm);
  for (int64_t i = 0; i < rows.count; ++i) {
    subtract(codebooks.mean.data(), rows.dim, residuals.data() + i * rows.dim);
  }
  for (size_t l = 0; l < options.num_codes.size(); ++l) {
    KMeansOptions level;
    level.num_codes = options.num_codes[l];
    level.max_steps = options.max_steps;
    level.seed = random_u64(options.seed, Purpose::kKMeansSeed, l);
    std::vector<KMeansStep> steps;
    codebooks.levels.push_back(train_kmeans(left, level, comm, pool, &steps));
    if (log) log->push_back(std::move(steps));
    subtract_nearest(left, codebooks.levels.back(), pool, residuals.data());
  }
  return codebooks;
}

std::vector<int32_t> encode(const RowShard& rows, const Codebooks& codebooks, int beam,
                            ThreadPool& pool) {
  TUTTI_CHECK(rows.dim == codebooks.dim(), "vectors of the codebooks' dimension");
  const auto normalized = normalize_rows(rows, codebooks.norm, codebooks.mean);
  RowShard shard = rows;
  shard.values = normalized.data();
  const BeamEncoder encoder(codebooks, beam);
  struct Thread {
    AlignedFloats block;
    BeamEncoder::Scratch scratch;
  };
  std::vector<Thread> threads(pool.num_threads());
  std::vector<int32_t> codes(rows.count * codebooks.num_levels());
  pool.for_each_block(num_row_blocks(shard), [&](int64_t index, int t) {
    auto& [block, scratch] = threads[t];
    const auto part = row_block(shard, index);
    copy_block(shard, part, block);
    encoder.encode(block, part, scratch, codes.data() + part.local * codebooks.num_levels());
  });
  return codes;
}

std::vector<LevelStatistics> measure_codes(const RowShard& rows, const std::vector<int32_t>& codes,
                                           const Codebooks& codebooks, Communicator& comm) {
  const int64_t num_levels = codebooks.num_levels();
  auto left = normalize_rows(rows, codebooks.norm, codebooks.mean);
  RowShard shard = rows;
  shard.values = left.data();
  // The sum of codes may lie farther out than any row, so the scale knows both.
  double bound = max_abs(shard, comm);
  for (const auto& level : codebooks.levels) {
    bound += max_abs(level.values.data(), std::ssize(level.values));
  }
  const double scale = fixed_point_scale(rows.total, bound * bound * static_cast<double>(rows.dim));

  std::vector<int64_t> energies(num_levels + 1), use(codebooks.num_codes());
  for (int64_t i = 0; i < rows.count; ++i) {
    float* x = left.data() + i * rows.dim;
    energies[0] += to_fixed_point(squared_norm(x, rows.dim), scale);
    int64_t first = 0;
    for (int64_t l = 0; l < num_levels; ++l) {
      const int32_t code = codes[i * num_levels + l];
      subtract(codebooks.levels[l].row(code).data(), rows.dim, x);
      energies[l + 1] += to_fixed_point(squared_norm(x, rows.dim), scale);
      ++use[first + code];
      first += codebooks.levels[l].num_codes;
    }
  }
  comm.all_reduce_sum(std::span<int64_t>(energies));
  comm.all_reduce_sum(std::span<int64_t>(use));

  std::vector<LevelStatistics> statistics(num_levels);
  int64_t first = 0;
  for (int64_t l = 0; l < num_levels; ++l) {
    auto& level = statistics[l];
    level.snr_db = to_decibel(energies[0], energies[l + 1]);
    double entropy = 0;
    for (int64_t k = 0; k < codebooks.levels[l].num_codes; ++k) {
      const int64_t count = use[first + k];
      if (count == 0) continue;
      ++level.codes_used;
      level.largest_code = std::max(level.largest_code, count);
      const double share = static_cast<double>(count) / static_cast<double>(rows.total);
      entropy -= share * std::log(share);
    }
    level.perplexity = std::exp(entropy);
    first += codebooks.levels[l].num_codes;
  }
  return statistics;
}

}  // namespace tutti::ids
