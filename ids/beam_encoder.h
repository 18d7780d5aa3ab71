#pragma once

#include <cstdint>
#include <vector>

#include "ids/codebooks.h"
#include "ids/matrix.h"

namespace tutti::ids {

constexpr int kMaxBeam = 64;

// Encodes vectors as sums of codes, one a level, keeping the `beam` best paths. With P = x.c for
// all codes of a level (one matrix product) and G = c.c', a path's squared distance is
//   |x|^2 + sum_l (|c_l|^2 - 2 P_l + 2 sum_{m<l} G_ml),
// so the product does not grow with the beam, only additions do. Prices of codes (codebooks.h) are
// added, here and in all that is called distance below. Memory: 4 bytes for every pair of
// codes of different levels.
class BeamEncoder {
 public:
  // UsageError unless beam is in [1, kMaxBeam].
  static void check_beam(int beam);

  // `codebooks` outlive this.
  BeamEncoder(const Codebooks& codebooks, int beam);

  struct Scratch {  // one a thread
    AlignedFloats groups, products, rest, scores;
    std::vector<float> path_scores, minima;
    std::vector<int32_t> paths, next_paths;
    struct Candidate {
      float score;
      int32_t parent, code;
    };
    std::vector<Candidate> candidates;
    std::vector<const float*> terms;  // the codes of a path
  };

  // Codes [count, L] of rows [count, D] (x', see codebooks.h). A row's codes depend on the row and
  // the codebooks alone. Paths that fp32 cannot tell apart are compared in fp64; of equals the
  // lowest codes win.
  void encode(const float* rows, int64_t count, Scratch& scratch, int32_t* codes) const;

  // All paths that remain, nearest first (the first is the row's codes), with their squared
  // distances: paths [count, beam, L], distances [count, beam]; num_paths [count] of them are set.
  void encode_choices(const float* rows, int64_t count, Scratch& scratch, int32_t* paths,
                      double* distances, int32_t* num_paths) const;

 private:
  struct Level {
    int64_t num_columns = 0;           // codes, padded to whole panels
    AlignedFloats panels;              // [num_columns / kPanelRows, D, kPanelRows]
    AlignedFloats norms;               // [num_columns], squared; infinite for padding
    std::vector<AlignedFloats> grams;  // for each earlier level m: 2 c.c', [K_m, num_columns]
  };

  // Leaves the paths of up to kRowsAtOnce rows in scratch.paths, their number (equal for all rows)
  // is returned.
  int search(const float* rows, int64_t count, Scratch& scratch) const;
  void multiply(const Level& level, int64_t num_groups, Scratch& scratch) const;
  int extend_paths(int64_t l, const float* products, int num_paths, float* path_scores,
                   int32_t* paths, Scratch& scratch) const;
  double distance(const float* x, const int32_t* path, Scratch& scratch) const;

  const Codebooks* codebooks_;
  int beam_;
  int64_t max_columns_ = 0;
  double codes_length_ = 0;  // no sum of codes is longer
  double codes_price_ = 0;   // no path's prices are more
  std::vector<Level> levels_;
  AlignedFloats zeros_;  // [max_columns]
};

}  // namespace tutti::ids
