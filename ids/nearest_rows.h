#pragma once

#include <cstdint>
#include <vector>

#include "ids/matrix.h"

namespace tutti::ids {

// The rows of a large table that are nearest to each of a few queries, by brute force: rows come in
// blocks, in any order and on several threads, and are never held. Candidates are kept by fp32
// distances (one matrix product a block), more of them than are wanted, so that the caller can rank
// them again in fp64.
class NearestRows {
 public:
  // `queries` [num_queries, dim].
  NearestRows(std::vector<float> queries, int64_t dim, int num_kept, int num_threads);

  // Rows first, first + 1, ... of the table. Calls with the same `thread` do not overlap.
  void add(const float* rows, int64_t first, int64_t count, int thread);

  // Row numbers of a query's candidates, nearest first, of equals the lowest row; fewer than
  // num_kept only when the table is that small. The same for any number of threads.
  std::vector<int64_t> candidates(int64_t query) const;

  int64_t num_queries() const { return num_queries_; }
  const float* query(int64_t i) const { return queries_.data() + i * dim_; }

 private:
  struct Candidate {
    float distance;
    int64_t row;
    bool operator<(const Candidate& other) const {
      return distance != other.distance ? distance < other.distance : row < other.row;
    }
  };
  struct Thread {
    AlignedFloats block, products;
    std::vector<Candidate> kept;  // [num_queries, num_kept], each a heap with the worst in front
    std::vector<int32_t> sizes;   // [num_queries]
  };

  std::vector<float> queries_;
  int64_t dim_, num_queries_;
  int num_kept_;
  std::vector<Thread> threads_;
};

}  // namespace tutti::ids
