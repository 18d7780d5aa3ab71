#include "ids/row_source.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/together.h"
#include "ids/vector_ops.h"

namespace tutti::ids {

void RowsInMemory::for_each_block(ThreadPool& pool, const Work& work) {
  pool.for_each_block(num_row_blocks(rows_), [&](int64_t index, int thread) {
    const auto part = row_block(rows_, index);
    work(rows_.row(part.local), part, thread);
  });
}

void RowsInMemory::gather(std::span<const int64_t> places, float* out) {
  for (const int64_t place : places) {
    std::copy_n(rows_.row(place), rows_.dim, out);
    out += rows_.dim;
  }
}

double max_abs_of_finite(RowSource& rows, Communicator& comm, ThreadPool& pool) {
  struct Thread {
    double largest = 0;
    int64_t bad_row = INT64_MAX;
  };
  std::vector<Thread> threads(static_cast<size_t>(pool.num_threads()));
  // Rows that come from a file are checked, and named, where they are read: on one rank.
  run_together(comm, [&] {
    rows.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
      auto& thread = threads[static_cast<size_t>(t)];
      const int64_t n = part.count * rows.dim();
      const float largest = max_abs(values, n);
      thread.largest = std::max(thread.largest, static_cast<double>(largest));
      const int64_t at = find_non_finite(values, n);
      if (at >= 0) {
        thread.bad_row = std::min(thread.bad_row, rows.first() + part.local + at / rows.dim());
      }
    });
  });
  Thread all;
  for (const auto& thread : threads) {
    all.largest = std::max(all.largest, thread.largest);
    all.bad_row = std::min(all.bad_row, thread.bad_row);
  }
  comm.all_reduce(&all.bad_row, 1, DType::kInt64, ReduceOp::kMin);
  if (all.bad_row != INT64_MAX) {
    throw DataError({"", fmt::format("row {}", all.bad_row), "a value that is NaN or infinite",
                     "finite values", ""});
  }
  comm.all_reduce(&all.largest, 1, DType::kFloat64, ReduceOp::kMax);
  return all.largest;
}

std::vector<float> gather_rows(RowSource& source, std::span<const int64_t> rows,
                               Communicator& comm) {
  std::vector<int64_t> places;
  for (const int64_t row : rows) {
    const int64_t place = row - source.first();
    if (place >= 0 && place < source.count()) places.push_back(place);
  }
  std::vector<float> mine(places.size() * static_cast<size_t>(source.dim()));
  source.gather(places, mine.data());
  return comm.all_gather(std::span<const float>(mine));
}

}  // namespace tutti::ids
