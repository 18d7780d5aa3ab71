#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/row_source.h"

namespace tutti::ids {

struct ReconstructionOptions {
  int64_t num_queries = 1000;  // tracks whose neighbours are looked for
  int neighbours = 10;         // k of recall@k
  uint64_t seed = 0;           // of both samples
};

struct ReconstructionReport {
  // [L], of the sum of codes up to each level: infinite when nothing is left over, 0 when all
  // vectors are equal.
  std::vector<double> snr_db;
  // What no code of this many bits can exceed when the vectors are Gaussian (reverse
  // water-filling over the eigenvalues of their covariance; Cover and Thomas, Elements of
  // Information Theory, section 10.3.3): for the bits that the codes up to each level may spend.
  std::vector<double> bound_db;  // [L]
  int64_t covariance_rows = 0;   // the sample that it is of

  int64_t num_queries = 0;
  int neighbours = 0;
  // Share of a track's k nearest by reconstruction (both sides decoded) that are no farther from it
  // than its k-th nearest by its vector. Those on one code path are equally near by
  // reconstruction: which of them count is drawn by the seed.
  double recall = 0;
};

// How well the codes [num_tracks, L] stand for the vectors, in the space that they are quantized in
// (codebooks.h). One process: `rows` are all rows of the table. Passes over the rows: two.
ReconstructionReport report_reconstruction(RowSource& rows, std::span<const int32_t> codes,
                                           const Codebooks& codebooks,
                                           const ReconstructionOptions& options, ThreadPool& pool);

// 10 log10 of signal over error for Gaussian vectors of these variances at this many bits a vector.
double gaussian_bound_db(std::vector<double> variances, double bits);

}  // namespace tutti::ids
