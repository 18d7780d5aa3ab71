#pragma once

#include <cstdint>

#include "ids/codebooks.h"
#include "ids/matrix.h"

namespace tutti::ids {

// Finds each row's nearest code. The scores x.c - |c|^2 / 2 are made and compared in registers
// (panel_kernel.h), never stored. fp32 may err where two codes are about equally far: there all
// codes that may be nearest are compared in fp64, and the lowest of equals wins. So the answer is
// that of fp64. A code's price counts as squared distance.
class NearestCode {
 public:
  // `codebook` outlives this.
  explicit NearestCode(const Codebook& codebook);

  struct Scratch {  // one a thread
    AlignedFloats panels, scores;
    int64_t rows_decided_again = 0;
  };

  // codes[i] for rows [count, D], count <= kRowBlock.
  void find(const float* rows, int64_t count, Scratch& scratch, int32_t* codes) const;

 private:
  // How much two scores of a row may err together, if they can lead at all. `best`: the highest.
  double doubt_of(double squared_norm, double best) const;
  // The nearest in fp64 of the codes that score at least so much.
  int32_t decide(const float* x, double least_score, Scratch& scratch) const;

  const Codebook* codebook_;
  int64_t num_groups_;    // of kGroupRows codes
  int64_t tile_groups_;   // what stays in cache while all rows of a block pass by
  AlignedFloats groups_;  // [num_groups, D, kGroupRows]
  AlignedFloats bias_;    // [num_groups, kGroupRows]: -(|c|^2 + price) / 2; -infinity for padding
  double largest_norm_ = 0;  // of a code, not squared
  double largest_price_ = 0;
};

}  // namespace tutti::ids
