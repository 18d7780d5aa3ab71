#pragma once

#include <cstdint>
#include <vector>

#include "ids/codebooks.h"
#include "ids/matrix.h"
#include "ids/row_blocks.h"

namespace tutti::ids {

constexpr int kMaxBeam = 64;

// Encodes vectors as sums of codes, one a level, keeping the `beam` best paths. With P = x.c for
// all codes of all levels (one matrix product) and G = c.c', a path's squared distance is
//   |x|^2 + sum_l (|c_l|^2 - 2 P_l + 2 sum_{m<l} G_ml),
// so the product does not grow with the beam, only additions do.
class BeamEncoder {
 public:
  // UsageError unless beam is in [1, kMaxBeam].
  static void check_beam(int beam);

  BeamEncoder(const Codebooks& codebooks, int beam);

  struct Scratch {  // one a thread
    AlignedFloats products, scores;
    std::vector<int32_t> paths, next_paths;
  };

  // Rows part.offset ... of `block` [kRowBlock, D] (x', see residual_quantizer.h): codes [count,
  // L]. The paths that remain are compared in fp64; of equals the lowest codes win.
  void encode(const AlignedFloats& block, const RowBlock& part, Scratch& scratch,
              int32_t* codes) const;

  // All paths that remain, nearest first (the first is the row's codes), with their squared
  // distances: paths [count, beam, L], distances [count, beam]; num_paths [count] of them are set.
  void encode_choices(const AlignedFloats& block, const RowBlock& part, Scratch& scratch,
                      int32_t* paths, double* distances, int32_t* num_paths) const;

 private:
  // The products of the block's rows with all codes -> scratch.products.
  void multiply(const AlignedFloats& block, Scratch& scratch) const;
  // Leaves the paths of the beam in scratch.paths, their number is returned.
  int search(const float* products, Scratch& scratch) const;
  double distance(const float* x, const int32_t* path) const;

  const Codebooks* codebooks_;
  int beam_;
  int64_t num_columns_ = 0;            // codes of all levels, each level padded to whole lanes
  std::vector<int64_t> first_column_;  // [L + 1]
  AlignedFloats vectors_;              // [num_columns, D]
  AlignedFloats norms_;                // [num_columns], squared; infinite for padding
  std::vector<float> twice_gram_;      // [num_columns, num_columns], 2 c.c'
};

}  // namespace tutti::ids
