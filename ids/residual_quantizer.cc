#include "ids/residual_quantizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/beam_encoder.h"
#include "ids/fixed_point.h"
#include "ids/joint_refit.h"
#include "ids/matching_pursuit.h"
#include "ids/quantizer_rows.h"
#include "ids/residual_rows.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

void check_options(const ResidualQuantizerOptions& options) {
  if (options.num_codes.empty()) {
    throw UsageError({"", "--levels", "0", "at least one level", ""});
  }
  BeamEncoder::check_beam(options.beam);
  if (options.balance != 0 && !(options.balance >= 1 && std::isfinite(options.balance))) {
    throw UsageError({"", "--balance", fmt::format("{}", options.balance),
                      "at least 1, or 0 for codes of any size", ""});
  }
  const int64_t most = *std::ranges::max_element(options.num_codes);
  if (options.sample_rows < 0 || (options.sample_rows > 0 && options.sample_rows < most)) {
    throw UsageError({"", "--sample", fmt::format("{}", options.sample_rows),
                      fmt::format("at least one row a code, {}, or 0 for all rows", most), ""});
  }
}

// Rounds of encoding and least squares; keeps the last codebooks that lowered the error.
void refit_all(RowSource& rows, const ResidualQuantizerOptions& options, Codebooks* codebooks,
               Communicator& comm, ThreadPool& pool, QuantizerStatistics* statistics) {
  ResidualRows vectors(rows, codebooks->norm, codebooks->mean);
  Codebooks candidate = *codebooks;
  for (int round = 0; round <= options.refit_rounds; ++round) {
    const auto codes = encode(rows, candidate, options.beam, pool);
    const double snr = measure_codes(rows, codes, candidate, comm, pool).back().snr_db;
    if (round > 0 && snr <= statistics->refit_snr_db.back()) return;
    *codebooks = candidate;
    statistics->refit_snr_db.push_back(snr);
    if (round < options.refit_rounds) refit_codebooks(vectors, codes, &candidate, comm, pool);
  }
}

}  // namespace

Codebooks train_residual_quantizer(RowSource& all_rows, const ResidualQuantizerOptions& options,
                                   Communicator& comm, ThreadPool& pool,
                                   QuantizerStatistics* statistics) {
  check_options(options);  // before the training, not after it
  QuantizerStatistics unwanted;
  if (!statistics) statistics = &unwanted;
  Codebooks codebooks;
  codebooks.norm = options.norm;
  const QuantizerRows training =
      rows_to_train_on(all_rows, options.norm, options.sample_rows, options.seed, comm, pool);
  RowSource& rows = *training.rows;
  statistics->trained_on = rows.total();
  codebooks.mean = training.mean;
  std::vector<int32_t> codes;
  for (size_t l = 0; l < options.num_codes.size(); ++l) {
    if (l > 0) codes = encode(rows, codebooks, options.beam, pool);
    KMeansOptions level;
    level.num_codes = options.num_codes[l];
    level.max_steps = options.max_steps;
    level.balance = options.balance;
    level.seed = random_u64(options.seed, Purpose::kKMeansSeed, l);
    if (options.on_step) {
      level.on_step = [&](const KMeansStep& step) { options.on_step(static_cast<int>(l), step); };
    }
    std::vector<KMeansStep> steps;
    ResidualRows left(rows, codebooks, codes);
    Codebook codebook = train_kmeans(left, level, comm, pool, &steps);
    codebooks.levels.push_back(std::move(codebook));
    statistics->training.push_back(std::move(steps));
  }
  if (options.refit_rounds > 0 && options.num_codes.size() > 1) {
    refit_all(rows, options, &codebooks, comm, pool, statistics);
  }
  return codebooks;
}

Codebooks refine_residual_quantizer(RowSource& rows, const Codebooks& start,
                                    const ResidualQuantizerOptions& options, Communicator& comm,
                                    ThreadPool& pool, QuantizerStatistics* statistics) {
  BeamEncoder::check_beam(options.beam);
  QuantizerStatistics unwanted;
  if (!statistics) statistics = &unwanted;
  statistics->trained_on = rows.total();
  Codebooks codebooks{start.norm, start.mean, {}};
  std::vector<int32_t> codes;
  for (size_t l = 0; l < start.levels.size(); ++l) {
    if (l > 0) codes = encode(rows, codebooks, options.beam, pool);
    KMeansOptions level;
    level.num_codes = start.levels[l].num_codes;
    level.max_steps = options.max_steps;
    std::vector<KMeansStep> steps;
    ResidualRows left(rows, codebooks, codes);
    Codebook codebook = refine_codebook(left, start.levels[l], level, comm, pool, &steps);
    codebooks.levels.push_back(std::move(codebook));
    statistics->training.push_back(std::move(steps));
  }
  if (options.refit_rounds > 0 && start.levels.size() > 1) {
    refit_all(rows, options, &codebooks, comm, pool, statistics);
  }
  return codebooks;
}

std::vector<int32_t> encode(RowSource& rows, const Codebooks& codebooks, int beam,
                            ThreadPool& pool) {
  if (codebooks.atoms.num_codes > 0) return encode_by_atoms(rows, codebooks, pool);
  const BeamEncoder encoder(codebooks, beam);
  std::vector<BeamEncoder::Scratch> threads(pool.num_threads());
  std::vector<int32_t> codes(rows.count() * codebooks.num_levels());
  ResidualRows vectors(rows, codebooks.norm, codebooks.mean);
  vectors.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
    encoder.encode(values, part.count, threads[t],
                   codes.data() + part.local * codebooks.num_levels());
  });
  return codes;
}

std::vector<LevelStatistics> measure_codes(RowSource& rows, const std::vector<int32_t>& codes,
                                           const Codebooks& codebooks, Communicator& comm,
                                           ThreadPool& pool) {
  const int64_t num_levels = codebooks.num_levels(), dim = codebooks.dim();
  ResidualRows vectors(rows, codebooks.norm, codebooks.mean);
  // The sum of codes may lie farther out than any row, so the scale knows both.
  double bound = max_abs_of_finite(vectors, comm, pool);
  for (const auto& level : codebooks.levels) {
    bound += max_abs(level.values.data(), std::ssize(level.values));
  }
  const double scale = fixed_point_scale(rows.total(), bound * bound * static_cast<double>(dim));

  // Energies of what is left after 0 .. L levels, then the use of each code.
  std::vector<std::vector<int64_t>> threads(
      pool.num_threads(), std::vector<int64_t>(num_levels + 1 + codebooks.num_codes()));
  vectors.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
    auto& totals = threads[t];
    std::vector<const float*> terms;
    for (int64_t i = 0; i < part.count; ++i) {
      terms.clear();
      int64_t first = num_levels + 1;
      for (int64_t l = 0; l <= num_levels; ++l) {
        totals[l] += to_fixed_point(squared_distance(values + i * dim, terms, dim), scale);
        if (l == num_levels) break;
        const int32_t code = codes[(part.local + i) * num_levels + l];
        terms.push_back(codebooks.levels[l].row(code).data());
        ++totals[first + code];
        first += codebooks.levels[l].num_codes;
      }
    }
  });
  const auto totals = total_of(threads, comm);

  std::vector<LevelStatistics> statistics(num_levels);
  int64_t first = num_levels + 1;
  for (int64_t l = 0; l < num_levels; ++l) {
    auto& level = statistics[l];
    level.snr_db = to_decibel(totals[0], totals[l + 1]);
    double entropy = 0;
    for (int64_t k = 0; k < codebooks.levels[l].num_codes; ++k) {
      const int64_t count = totals[first + k];
      if (count == 0) continue;
      ++level.codes_used;
      level.largest_code = std::max(level.largest_code, count);
      const double share = static_cast<double>(count) / static_cast<double>(rows.total());
      entropy -= share * std::log(share);
    }
    level.perplexity = std::exp(entropy);
    first += codebooks.levels[l].num_codes;
  }
  return statistics;
}

}  // namespace tutti::ids
