#pragma once

#include <cstdint>
#include <vector>

#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/matrix.h"
#include "ids/row_source.h"

namespace tutti::ids {

// Sparse coding by orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad, 1993): each step
// takes the atom that what is left over leans on most, and then fits the weights of all atoms taken
// by least squares. With P = x.d for all atoms (one matrix product) and their Gram matrix a step
// needs no pass over the coordinates (Rubinstein, Zibulevsky and Elad, 2008, "Batch-OMP").
class MatchingPursuit {
 public:
  // `atoms` [M, D] of length 1, outlive this; `num_taken` <= M. Holds 4 M^2 bytes.
  MatchingPursuit(const Codebook& atoms, int64_t num_taken);

  struct Scratch {  // one a thread
    AlignedFloats group, products;
    std::vector<float> left;
    std::vector<double> factor, sides, solution;
    std::vector<int32_t> taken, fitted;
  };

  // Atoms [count, num_taken] of rows [count, D] and their weights, the heaviest first, then the
  // lowest. A row's depend on the row and the atoms alone. Atoms are chosen by fp32 scores, the
  // lowest of equals; weights are fp64 sums in a fixed order. An atom that those before it make up
  // (or any, when nothing is left over) has weight 0.
  void encode(const float* rows, int64_t count, Scratch& scratch, int32_t* atoms,
              float* weights) const;

 private:
  void encode_row(const float* row, const float* products, Scratch& scratch, int32_t* atoms,
                  float* weights) const;
  // Adds an atom to the least-squares problem; false when it hardly leaves the span of the others.
  bool fit_with(int32_t atom, const float* row, Scratch& scratch) const;

  const Codebook& atoms_;
  const int64_t num_taken_;
  int64_t num_columns_ = 0;  // atoms, padded to whole panels
  AlignedFloats panels_;     // [num_columns / kPanelRows, D, kPanelRows]
  AlignedFloats gram_;       // [M in whole groups, num_columns]
};

// Atoms and weights of this rank's rows x' (residual_rows.h): [count, num_taken] each.
struct SparseCodes {
  std::vector<int32_t> atoms;
  std::vector<float> weights;
};
SparseCodes pursue(RowSource& vectors, const Codebook& atoms, int64_t num_taken, ThreadPool& pool);

// The codes [count, L] of this rank's raw rows by the codebooks' atoms. Not collective.
std::vector<int32_t> encode_by_atoms(RowSource& rows, const Codebooks& codebooks, ThreadPool& pool);

// Code 2 m + s of a weighted atom.
inline int32_t code_of_atom(int32_t atom, float weight) {
  return 2 * atom + (weight < 0 ? 1 : 0);
}

}  // namespace tutti::ids
