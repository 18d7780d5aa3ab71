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

// Milliseconds of bulk collectives since they were last asked for, on this rank: how long they were
// under way, and how much of that somebody waited for. The rest was hidden behind computation.
struct BulkTimes {
  double busy_ms = 0, exposed_ms = 0;
};

// What the ranks of a job say to each other: pointer, count, type. Every call is collective: all
// ranks make the same calls in the same order, from the thread that made the communicator. A lost
// peer throws PeerLostError.
//
// Most calls block, on host memory. A float sum is the same bytes on every rank and in every run at
// one world size (over MPI, where it is taken in rank order); integer sums are the same at any
// world size.
//
// The bulk calls carry gradients and parameters: they lie in the memory of the device that the
// communicator was made for, host memory unless it is an NCCL communicator (dist/nccl/).
// start_...() returns at once, maybe before any data moved, and may be called from a thread that
// works for the one that made the communicator (autograd's), never from two at a time. The data
// belongs to the communicator until wait_for_bulk().
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Among the ranks that share this rank's memory, in the order of their ranks: picks the device.
  virtual int local_rank() const { return rank(); }

  virtual void all_reduce(void* data, int64_t count, DType type, ReduceOp op) = 0;  // in place
  virtual void broadcast(void* data, int64_t num_bytes, int root) = 0;
  // Rank r gives counts[r] bytes; every rank receives all of them, in rank order. `counts` is equal
  // on all ranks.
  virtual void all_gather_bytes(const void* mine, void* all, std::span<const int64_t> counts) = 0;
  virtual void barrier() = 0;

  // Ends the whole job with this exit code, without waiting for the other ranks. From any thread.
  [[noreturn]] virtual void abort(int exit_code) = 0;

  // Bulk calls. `split` [size + 1]: element split[r] .. split[r+1] of `data` is rank r's part.
  virtual void start_all_reduce_sum(float* data, int64_t count);  // in place
  // Sums rank r's part over all ranks and leaves it on rank r, the same bytes that
  // start_all_reduce_sum() would leave there; what then lies in the other parts is not specified.
  virtual void start_reduce_scatter_sum(float* data, std::span<const int64_t> split);
  // Every rank gives its own part and receives the others'.
  virtual void start_all_gather(float* data, std::span<const int64_t> split);
  // All bulk calls so far are done for what follows: on return in host memory, in the order of the
  // compute stream on a device.
  virtual void wait_for_bulk() {}
  virtual BulkTimes take_bulk_times() { return {}; }

  // The step of the run that the next calls belong to: a message about a lost peer names it.
  virtual void set_step(int64_t /*step*/) {}

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
