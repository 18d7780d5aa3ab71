#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/kmeans.h"
#include "ids/row_source.h"

namespace tutti::ids {

struct ResidualQuantizerOptions {
  std::vector<int64_t> num_codes{256, 256, 256};  // K of each level
  NormHandling norm = NormHandling::kDamped;
  int beam = 8;  // paths kept while encoding; 1: each level takes the nearest code
  int max_steps = 25;
  int refit_rounds = 3;     // of all codebooks together (joint_refit.h); 0: none
  double balance = 0;       // of each level's k-means, see kmeans.h
  int64_t sample_rows = 0;  // train on so many rows, chosen by the seed; 0: on all
  uint64_t seed = 0;
  std::function<void(int level, const KMeansStep&)> on_step;  // called behind each, on every rank
};

struct LevelStatistics {   // equal on every rank
  double snr_db = 0;       // of the sum of codes up to this level: 10 log10(signal / error energy)
  int64_t codes_used = 0;  // of K
  double perplexity = 0;   // exp(entropy) of the codes' use, <= K
  int64_t largest_code = 0;  // rows
};

struct QuantizerStatistics {
  int64_t trained_on = 0;                         // rows
  std::vector<std::vector<KMeansStep>> training;  // [L][steps]
  std::vector<double> refit_snr_db;     // before the first refit, then after each that was kept
  std::vector<LevelStatistics> levels;  // [L], of the final, beam-encoded codes
};

// Trains L codebooks: each by k-means on what the best paths over the levels before it leave over,
// then all together, in rounds of encoding and least squares, as long as the error falls.
// Collective; the same bytes at any world size and thread count. Holds 4 (L + 1) bytes a row beside
// the rows (of a sample, with its rows, in its stead). `statistics`: filled but for `levels`.
// Errors as train_kmeans, also for rows outside the sample; DataError for values too large for sums
// of squares in fp32; UsageError for a sample of fewer rows than codes.
Codebooks train_residual_quantizer(RowSource& rows, const ResidualQuantizerOptions& options,
                                   Communicator& comm, ThreadPool& pool,
                                   QuantizerStatistics* statistics = nullptr);

// The same, but each level's k-means starts from that of `start`, whose mean and norm handling are
// kept (options.num_codes, norm, balance and sample_rows are not looked at): codes keep their
// numbers, more or less.
Codebooks refine_residual_quantizer(RowSource& rows, const Codebooks& start,
                                    const ResidualQuantizerOptions& options, Communicator& comm,
                                    ThreadPool& pool, QuantizerStatistics* statistics = nullptr);

// The codes [count, L] of this rank's rows (raw vectors: scaling and mean are applied here). Not
// collective: a row's codes depend on the row and the codebooks alone. Values must be finite.
std::vector<int32_t> encode(RowSource& rows, const Codebooks& codebooks, int beam,
                            ThreadPool& pool);

// How well codes [count, L] stand for the rows of all ranks. Collective.
std::vector<LevelStatistics> measure_codes(RowSource& rows, const std::vector<int32_t>& codes,
                                           const Codebooks& codebooks, Communicator& comm,
                                           ThreadPool& pool);

}  // namespace tutti::ids
