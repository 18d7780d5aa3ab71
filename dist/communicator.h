#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace tutti {

enum class DType { kInt32, kInt64, kFloat32, kFloat64 };
enum class ReduceOp { kSum, kMax, kMin };

int64_t size_of(DType type);  // bytes

// What the ranks of a job say to each other. Buffers are host memory: pointer, count, type. Every
// call is collective: all ranks make the same calls in the same order, from the thread that made
// the communicator. A float sum is the same bytes on every rank and in every run at one world size;
// integer sums are the same at any world size. A lost peer throws PeerLostError.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  virtual void all_reduce(void* data, int64_t count, DType type, ReduceOp op) = 0;  // in place
  virtual void broadcast(void* data, int64_t num_bytes, int root) = 0;
  // Rank r gives counts[r] bytes; every rank receives all of them, in rank order. `counts` is equal
  // on all ranks.
  virtual void all_gather_bytes(const void* mine, void* all, std::span<const int64_t> counts) = 0;
  virtual void barrier() = 0;

  // Ends the whole job with this exit code, without waiting for the other ranks.
  [[noreturn]] virtual void abort(int exit_code) = 0;

  bool is_root() const { return rank() == 0; }

  void all_reduce_sum(std::span<float> v) {
    all_reduce(v.data(), std::ssize(v), DType::kFloat32, ReduceOp::kSum);
  }
  void all_reduce_sum(std::span<double> v) {
    all_reduce(v.data(), std::ssize(v), DType::kFloat64, ReduceOp::kSum);
  }
  void all_reduce_sum(std::span<int64_t> v) {
    all_reduce(v.data(), std::ssize(v), DType::kInt64, ReduceOp::kSum);
  }
  int64_t sum(int64_t v) {
    all_reduce(&v, 1, DType::kInt64, ReduceOp::kSum);
    return v;
  }
  int64_t max(int64_t v) {
    all_reduce(&v, 1, DType::kInt64, ReduceOp::kMax);
    return v;
  }
  double sum(double v) {
    all_reduce(&v, 1, DType::kFloat64, ReduceOp::kSum);
    return v;
  }

  // Rank r owns rows split[r] .. split[r+1] of `rows` (row_bytes each, all in one table that every
  // rank holds): fills in the others' rows.
  void all_gather_rows(void* rows, int64_t row_bytes, std::span<const int64_t> split);

  // Every rank's `mine`, concatenated in rank order; sizes may differ.
  template <typename T>
  std::vector<T> all_gather(std::span<const T> mine);
};

// One process, size 1.
std::unique_ptr<Communicator> make_single_communicator();

// Initialises MPI for this process (once) and wraps MPI_COMM_WORLD; MPI is finalised when it is
// destroyed. UsageError when the launcher's environment says that there are N > 1 tasks but MPI
// sees one (a silent singleton).
std::unique_ptr<Communicator> make_mpi_communicator();

// MPI when the environment shows an MPI launcher (mpirun, srun), else the single process.
std::unique_ptr<Communicator> make_communicator_from_environment();

// The part of [0, n) that `rank` of `size` owns, in whole blocks of `block` items: [first, last).
// Parts are contiguous, differ by at most one block, and may be empty.
struct Range {
  int64_t first = 0, last = 0;
  int64_t size() const { return last - first; }
};
Range owned_range(int64_t n, int64_t block, int rank, int size);
std::vector<int64_t> owned_splits(int64_t n, int64_t block, int size);  // [size + 1]

template <typename T>
std::vector<T> Communicator::all_gather(std::span<const T> mine) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<int64_t> counts(static_cast<size_t>(size()));
  counts[static_cast<size_t>(rank())] = std::ssize(mine) * static_cast<int64_t>(sizeof(T));
  all_reduce_sum(std::span<int64_t>(counts));
  int64_t total = 0;
  for (int64_t c : counts) total += c;
  std::vector<T> all(static_cast<size_t>(total) / sizeof(T));
  all_gather_bytes(mine.data(), all.data(), counts);
  return all;
}

}  // namespace tutti
