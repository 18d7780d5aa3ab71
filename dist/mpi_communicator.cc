#include "dist/mpi_communicator.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <limits>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <mpi.h>

#include "dist/launcher.h"
#include "dist/runtime/errors.h"

namespace tutti {
namespace {

MPI_Datatype mpi_type(DType type) {
  switch (type) {
    case DType::kInt32:
      return MPI_INT32_T;
    case DType::kInt64:
      return MPI_INT64_T;
    case DType::kFloat32:
      return MPI_FLOAT;
    case DType::kFloat64:
      break;
  }
  return MPI_DOUBLE;
}

MPI_Op mpi_op(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return MPI_SUM;
    case ReduceOp::kMax:
      return MPI_MAX;
    case ReduceOp::kMin:
      break;
  }
  return MPI_MIN;
}

// sum[i] = parts[0][i] + parts[1][i] + ..., in this order, accumulated in fp64.
template <typename T>
void sum_in_rank_order(const T* parts, int num_parts, int64_t n, T* sum) {
  constexpr int64_t kTile = 1024;
  std::array<double, kTile> tile{};
  for (int64_t start = 0; start < n; start += kTile) {
    const int64_t m = std::min(kTile, n - start);
    tile.fill(0);
    for (int p = 0; p < num_parts; ++p) {
      const T* part = parts + p * n + start;
      for (int64_t i = 0; i < m; ++i) tile[static_cast<size_t>(i)] += static_cast<double>(part[i]);
    }
    for (int64_t i = 0; i < m; ++i) sum[start + i] = static_cast<T>(tile[static_cast<size_t>(i)]);
  }
}

class MpiCommunicator : public Communicator {
 public:
  explicit MpiCommunicator(const MpiOptions& options)
      : max_chunk_bytes_(options.max_chunk_bytes),
        thread_(std::this_thread::get_id()),
        exceptions_at_start_(std::uncaught_exceptions()) {
    TUTTI_CHECK(max_chunk_bytes_ >= 8 && max_chunk_bytes_ <= std::numeric_limits<int>::max());
    int initialized = 0, finalized = 0;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    TUTTI_CHECK(finalized == 0, "MPI cannot start twice in one process");
    if (initialized == 0) {
      int provided = 0;
      check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided),
                "MPI_Init_thread");
      owns_mpi_ = true;
      TUTTI_CHECK(provided >= MPI_THREAD_FUNNELED, "this MPI cannot be used with threads");
    }
    check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN),
              "MPI_Comm_set_errhandler");
    check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  }

  ~MpiCommunicator() override {
    // MPI_Finalize waits for all ranks. On the way out of an exception the others may not come:
    // main ends the job.
    const bool failing = std::uncaught_exceptions() > exceptions_at_start_;
    if (owns_mpi_ && !failing) MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void all_reduce(void* data, int64_t count, DType type, ReduceOp op) override {
    check_call(count >= 0);
    const bool is_float = type == DType::kFloat32 || type == DType::kFloat64;
    const int64_t most = max_chunk_bytes_ / size_of(type);
    for (int64_t start = 0; start < count; start += most) {
      auto* chunk = static_cast<std::byte*>(data) + start * size_of(type);
      const int64_t n = std::min(most, count - start);
      if (is_float && op == ReduceOp::kSum && size_ > 1) {
        if (type == DType::kFloat32) {
          sum_floats(reinterpret_cast<float*>(chunk), n, MPI_FLOAT);
        } else {
          sum_floats(reinterpret_cast<double*>(chunk), n, MPI_DOUBLE);
        }
      } else {
        check_mpi(MPI_Allreduce(MPI_IN_PLACE, chunk, static_cast<int>(n), mpi_type(type),
                                mpi_op(op), MPI_COMM_WORLD),
                  "MPI_Allreduce");
      }
    }
  }

  void broadcast(void* data, int64_t num_bytes, int root) override {
    check_call(num_bytes >= 0 && root >= 0 && root < size_);
    for (int64_t start = 0; start < num_bytes; start += max_chunk_bytes_) {
      const int64_t n = std::min(max_chunk_bytes_, num_bytes - start);
      check_mpi(MPI_Bcast(static_cast<std::byte*>(data) + start, static_cast<int>(n), MPI_BYTE,
                          root, MPI_COMM_WORLD),
                "MPI_Bcast");
    }
  }

  void all_gather_bytes(const void* mine, void* all, std::span<const int64_t> counts) override {
    check_call(std::ssize(counts) == size_);
    std::vector<int64_t> start(counts.size() + 1, 0);
    for (size_t r = 0; r < counts.size(); ++r) {
      TUTTI_CHECK(counts[r] >= 0);
      start[r + 1] = start[r] + counts[r];
    }
    auto* bytes = static_cast<std::byte*>(all);
    const auto me = static_cast<size_t>(rank_);
    if (mine != bytes + start[me] && counts[me] > 0) {
      std::copy_n(static_cast<const std::byte*>(mine), counts[me], bytes + start[me]);
    }
    if (start.back() > max_chunk_bytes_) {
      for (int r = 0; r < size_; ++r) {
        broadcast(bytes + start[static_cast<size_t>(r)], counts[static_cast<size_t>(r)], r);
      }
      return;
    }
    const std::vector<int> lengths(counts.begin(), counts.end());
    const std::vector<int> offsets(start.begin(), start.end() - 1);
    check_mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, bytes, lengths.data(),
                             offsets.data(), MPI_BYTE, MPI_COMM_WORLD),
              "MPI_Allgatherv");
  }

  void barrier() override {
    check_call(true);
    check_mpi(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier");
  }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  // MPI_Allreduce may add in an order that follows the placement of ranks on nodes. Here every sum
  // is taken in rank order: rank r receives everybody's r-th slice, adds, and sends the result to
  // all (the traffic of a ring all-reduce).
  template <typename T>
  void sum_floats(T* data, int64_t n, MPI_Datatype type) {
    constexpr int64_t kSmallBytes = 4096;  // below: one message to all costs less than two rounds
    if (n * static_cast<int64_t>(sizeof(T)) <= kSmallBytes) {
      T* parts = scratch<T>(n * size_);
      check_mpi(MPI_Allgather(data, static_cast<int>(n), type, parts, static_cast<int>(n), type,
                              MPI_COMM_WORLD),
                "MPI_Allgather");
      sum_in_rank_order(parts, size_, n, data);
      return;
    }
    const std::vector<int64_t> split = owned_splits(n, 1, size_);
    std::vector<int> lengths, offsets, from_offsets;
    const auto me = static_cast<size_t>(rank_);
    const int64_t mine = split[me + 1] - split[me];
    for (size_t r = 0; r + 1 < split.size(); ++r) {
      lengths.push_back(static_cast<int>(split[r + 1] - split[r]));
      offsets.push_back(static_cast<int>(split[r]));
      from_offsets.push_back(static_cast<int>(static_cast<int64_t>(r) * mine));
    }
    const std::vector<int> from_lengths(lengths.size(), static_cast<int>(mine));
    T* parts = scratch<T>(mine * size_);
    check_mpi(MPI_Alltoallv(data, lengths.data(), offsets.data(), type, parts, from_lengths.data(),
                            from_offsets.data(), type, MPI_COMM_WORLD),
              "MPI_Alltoallv");
    sum_in_rank_order(parts, size_, mine, data + split[me]);
    check_mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, lengths.data(),
                             offsets.data(), type, MPI_COMM_WORLD),
              "MPI_Allgatherv");
  }

  template <typename T>
  T* scratch(int64_t n) {
    const auto num_doubles =
        (static_cast<size_t>(n) * sizeof(T) + sizeof(double) - 1) / sizeof(double);
    if (scratch_.size() < num_doubles) scratch_.resize(num_doubles);
    return reinterpret_cast<T*>(scratch_.data());
  }

  void check_call(bool arguments_fit) const {
    TUTTI_CHECK(arguments_fit);
    TUTTI_CHECK(std::this_thread::get_id() == thread_, "one thread makes all MPI calls");
  }

  int64_t max_chunk_bytes_;
  std::thread::id thread_;
  int exceptions_at_start_;
  bool owns_mpi_ = false;
  int rank_ = 0, size_ = 1;
  std::vector<double> scratch_;
};

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0, error_class = MPI_ERR_UNKNOWN;
  MPI_Error_string(code, text.data(), &length);
  MPI_Error_class(code, &error_class);
  const std::string message =
      fmt::format("{}: {}", call, std::string_view(text.data(), static_cast<size_t>(length)));
  for (int ours : {MPI_ERR_BUFFER, MPI_ERR_COUNT, MPI_ERR_TYPE, MPI_ERR_COMM, MPI_ERR_ROOT,
                   MPI_ERR_OP, MPI_ERR_ARG, MPI_ERR_TRUNCATE}) {
    TUTTI_CHECK(error_class != ours, message);
  }
  throw PeerLostError(message + " (a rank died or the network failed)");
}

std::unique_ptr<Communicator> make_mpi_communicator(const MpiOptions& options) {
  auto comm = std::make_unique<MpiCommunicator>(options);
  refuse_singleton(detect_launcher(), comm->size());
  return comm;
}

std::unique_ptr<Communicator> make_mpi_communicator() {
  return make_mpi_communicator(MpiOptions{});
}

}  // namespace tutti
