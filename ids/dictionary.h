#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/row_source.h"

namespace tutti::ids {

struct DictionaryStep {      // equal on every rank
  double objective = 0;      // sum of squared distances, each row with weights of its own
  double snr_db = 0;         // of the same
  int64_t unused_atoms = 0;  // that no row took; they are put on rows
};

struct DictionaryOptions {
  int64_t num_atoms = 128;  // M; codes are atoms with a sign, so a level has 2 M
  int64_t num_levels = 3;   // L, atoms a row
  NormHandling norm = NormHandling::kDamped;
  int max_steps = 25;
  double min_relative_drop = 1e-4;  // of the objective in a step; less ends the training
  bool fit_codes = true;            // level vectors by least squares, see below
  int64_t sample_rows = 0;          // train on so many rows, chosen by the seed; 0: on all
  uint64_t seed = 0;
  std::function<void(const DictionaryStep&)> on_step;  // called behind each, on every rank
};

struct DictionaryStatistics {
  int64_t trained_on = 0;             // rows
  std::vector<DictionaryStep> steps;  // [steps + 1]: each row's error before the step's update
};

// Dictionary learning: rows become sums of L of M atoms of length 1, each with a weight. Steps of
// matching pursuit for all rows (matching_pursuit.h) and of block coordinate descent on the atoms
// (Mairal, Bach, Ponce and Sapiro, 2010, algorithm 2, over all rows instead of batches):
//   d_m <- d_m + (B_m - sum_k A_mk d_k) / A_mm, at length 1,   A = sum w w^T, B = sum w x^T.
// A and B are fixed-point integers, so the result is the same bytes at any world size and thread
// count. They start from the centres of a short k-means. Atoms that no row takes are put on rows.
//
// An ID holds the atoms but not the weights, so a code needs a vector: first the atom times the
// mean weight that it has at its place with its sign; with `fit_codes` that which fits the rows'
// codes best (joint_refit.h), which lies off the atom's direction. Codes are chosen by the atoms.
//
// Holds 8 L bytes a row and 8 M (M + D) a thread. Errors as train_kmeans; UsageError for fewer
// atoms than levels or a sample smaller than the atoms. Collective.
Codebooks train_dictionary(RowSource& rows, const DictionaryOptions& options, Communicator& comm,
                           ThreadPool& pool, DictionaryStatistics* statistics = nullptr);

}  // namespace tutti::ids
