#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/row_source.h"

namespace tutti::ids {

struct KMeansStep {        // one entry per Lloyd step, equal on every rank but for the seconds
  double objective = 0;    // sum of squared distances to the codebook that the step began with
  int64_t rows_moved = 0;  // rows with another code than a step ago
  int64_t empty_codes = 0, largest_code = 0;  // the latter in rows
  double assign_s = 0, reduce_s = 0, update_s = 0;
};

struct KMeansOptions {
  int64_t num_codes = 256;           // K
  int max_steps = 25;                // Lloyd steps
  double min_relative_drop = 1e-4;   // of the objective in a step; less ends the training
  int64_t seed_rows_per_code = 128;  // the start is sought among min(N, this * K) rows
  double balance = 0;  // rows a code should hold at most, as a multiple of N / K; 0: any number
  uint64_t seed = 0;
  std::function<void(const KMeansStep&)> on_step;  // called behind each, on every rank
};

// Lloyd's k-means over the rows of all ranks. The codebook is the same bytes for any world size,
// sharding and thread count: every row takes the code that is nearest in fp64 (nearest_code.h), and
// sums are fixed-point integers (fixed_point.h). They are carried from step to step, exact as they
// are, so a step touches the rows that move only. Ends when no row moves, the objective falls by
// less than min_relative_drop, or after max_steps. A code that loses its rows is put on one of the
// rows farthest from their codes; with fewer distinct rows than codes, the codes left over stay
// where they are and no row has them. Memory a rank: 4 bytes a row and 8 K D bytes a thread.
// With `balance` (at least 1) up to 40 steps follow in which crowded codes get a rising price
// (codebooks.h) and small codes are put beside them, until none holds more than it should; the
// codebook whose largest code was the smallest is kept. It comes near, not always all the way, and
// rows that are all alike cannot be shared out: the log tells.
// DataError on every rank: no rows, fewer rows than codes, a value that is not finite.
Codebook train_kmeans(RowSource& rows, const KMeansOptions& options, Communicator& comm,
                      ThreadPool& pool, std::vector<KMeansStep>* log = nullptr);

// The same from a given start, [K, D] and equal on every rank, instead of seed_codebook's.
Codebook refine_codebook(RowSource& rows, Codebook start, const KMeansOptions& options,
                         Communicator& comm, ThreadPool& pool,
                         std::vector<KMeansStep>* log = nullptr);

// The start of train_kmeans: k-means|| (Bahmani et al., VLDB 2012) over rows chosen by a keyed
// permutation of the global row numbers, with running minima; then weighted k-means++ and a few
// weighted Lloyd steps on its candidates, about 5 K. The steps of Lloyd use all rows all the same.
Codebook seed_codebook(RowSource& rows, const KMeansOptions& options, Communicator& comm,
                       ThreadPool& pool);

}  // namespace tutti::ids
