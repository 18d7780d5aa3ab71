#pragma once

#include <cstdint>

#include "ids/codebooks.h"
#include "ids/matrix.h"
#include "ids/row_blocks.h"

namespace tutti::ids {

// Finds each row's nearest code: scores |c|^2 - 2 x.c by a product of a block of rows with a tile
// of codes, arg-min while the tile is in cache. fp32 may err where two codes are about equally far;
// there all codes are compared again in fp64, and the lowest of equals wins. So the answer is that
// of fp64 whatever BLAS does.
class NearestCode {
 public:
  explicit NearestCode(const Codebook& codebook);

  struct Scratch {  // one a thread
    AlignedFloats scores;
    int64_t rows_decided_again = 0;
  };

  // Rows part.offset ... of `block` [kRowBlock, D]: codes[i] and squared distances[i] for i <
  // part.count.
  void find(const AlignedFloats& block, const RowBlock& part, Scratch& scratch, int32_t* codes,
            double* distances) const;

 private:
  const Codebook* codebook_;
  int64_t padded_codes_;     // whole lanes
  AlignedFloats vectors_;    // [padded_codes, D]
  AlignedFloats norms_;      // [padded_codes], squared; infinite for padding
  double largest_norm_ = 0;  // of a code, not squared
};

}  // namespace tutti::ids
