#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/row_blocks.h"

namespace tutti::ids {

// This rank's rows of a table that all ranks share, passed over as often as an algorithm needs,
// wherever they are: in memory, in a file (file_rows.h), or computed from other rows
// (residual_rows.h). The shards of all ranks, in rank order, make up the table.
class RowSource {
 public:
  struct Extent {
    int64_t first = 0, count = 0;  // this rank's rows; may be none
    int64_t total = 0;             // rows of all ranks
    int64_t dim = 0;
  };

  explicit RowSource(const Extent& extent) : extent_(extent) {}
  virtual ~RowSource() = default;
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;

  int64_t first() const { return extent_.first; }
  int64_t count() const { return extent_.count; }
  int64_t total() const { return extent_.total; }
  int64_t dim() const { return extent_.dim; }
  const Extent& extent() const { return extent_; }

  // Calls work once for each block of this rank's rows: `rows` [part.count, dim] are the rows
  // part.local ... of the shard, valid during the call. Blocks run at the same time on the pool's
  // threads. Not collective. Throws what `work` throws, and DataError when a file cannot be read.
  using Work = std::function<void(const float* rows, const RowBlock& part, int thread)>;
  virtual void for_each_block(ThreadPool& pool, const Work& work) = 0;

  // out [n, dim] = the rows of the shard at these places (rising).
  virtual void gather(std::span<const int64_t> places, float* out) = 0;

 private:
  Extent extent_;
};

// The rows of a shard that lies in memory and outlives this.
class RowsInMemory final : public RowSource {
 public:
  explicit RowsInMemory(const RowShard& rows)
      : RowSource({rows.first, rows.count, rows.total, rows.dim}), rows_(rows) {}
  void for_each_block(ThreadPool& pool, const Work& work) override;
  void gather(std::span<const int64_t> places, float* out) override;

 private:
  RowShard rows_;
};

// Largest magnitude in the table. DataError on every rank, naming the first row of the table that
// holds NaN or Inf. Collective.
double max_abs_of_finite(RowSource& rows, Communicator& comm, ThreadPool& pool);

// Rows of the table, in the order of `rows` (rising, the same list on every rank), on every rank:
// [n, dim]. Collective.
std::vector<float> gather_rows(RowSource& source, std::span<const int64_t> rows,
                               Communicator& comm);

}  // namespace tutti::ids
