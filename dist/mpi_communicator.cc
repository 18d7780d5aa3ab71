#include "dist/mpi_communicator.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include <mpi.h>

#include "dist/launcher.h"
#include "dist/mpi_engine.h"
#include "dist/runtime/errors.h"
#include "dist/start_watch.h"

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
        caller_(std::this_thread::get_id()),
        engine_(MpiEngine::get()),
        rank_(engine_->rank()),
        size_(engine_->size()) {
    TUTTI_CHECK(max_chunk_bytes_ >= 8 && max_chunk_bytes_ <= std::numeric_limits<int>::max());
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return engine_->local_rank(); }

  void all_reduce(void* data, int64_t count, DType type, ReduceOp op) override {
    check_call(count >= 0);
    engine_->run([=, this] { reduce_in_chunks(data, count, type, op); });
  }

  void broadcast(void* data, int64_t num_bytes, int root) override {
    check_call(num_bytes >= 0 && root >= 0 && root < size_);
    engine_->run([=, this] { broadcast_in_chunks(data, num_bytes, root); });
  }

  void all_gather_bytes(const void* mine, void* all, std::span<const int64_t> counts) override {
    check_call(std::ssize(counts) == size_);
    for (const int64_t count : counts) TUTTI_CHECK(count >= 0);
    engine_->run([=, this] { gather(mine, static_cast<std::byte*>(all), counts); });
  }

  void barrier() override {
    check_call(true);
    engine_->run([this] {
      start("MPI_Ibarrier", [](MPI_Request* r) { return MPI_Ibarrier(MPI_COMM_WORLD, r); });
    });
  }

  [[noreturn]] void abort(int exit_code) override { engine_->abort(exit_code); }

  void start_all_reduce_sum(float* data, int64_t count) override {
    TUTTI_CHECK(count >= 0);
    if (size_ == 1) return;
    engine_->start([=, this] { reduce_in_chunks(data, count, DType::kFloat32, ReduceOp::kSum); });
  }

  void start_reduce_scatter_sum(float* data, std::span<const int64_t> split) override {
    TUTTI_CHECK(std::ssize(split) == size_ + 1);
    if (size_ == 1) return;
    engine_->start([this, data, parts = std::vector<int64_t>(split.begin(), split.end())] {
      const int64_t most = max_chunk_bytes_ / size_of(DType::kFloat32);
      // A chunk takes an equal share of every part, so that all ranks add in all chunks.
      const int64_t num_chunks = (parts.back() - parts.front() + most - 1) / most;
      std::vector<Range> chunk(parts.size() - 1);
      for (int64_t c = 0; c < num_chunks; ++c) {
        for (size_t r = 0; r < chunk.size(); ++r) {
          const int64_t n = parts[r + 1] - parts[r];
          chunk[r] = {parts[r] + n * c / num_chunks, parts[r] + n * (c + 1) / num_chunks};
        }
        sum_parts(data, chunk, MPI_FLOAT);
      }
    });
  }

  void start_all_gather(float* data, std::span<const int64_t> split) override {
    TUTTI_CHECK(std::ssize(split) == size_ + 1);
    if (size_ == 1) return;
    std::vector<int64_t> counts;
    for (size_t r = 0; r + 1 < split.size(); ++r) {
      counts.push_back((split[r + 1] - split[r]) * size_of(DType::kFloat32));
    }
    engine_->start(
        [=, this, mine = data + split[static_cast<size_t>(rank_)],
         all = reinterpret_cast<std::byte*>(data + split.front())] { gather(mine, all, counts); });
  }

  void wait_for_bulk() override {
    check_call(true);
    engine_->wait_for_started();
  }

  BulkTimes take_bulk_times() override {
    return {.busy_ms = engine_->take_busy_ms(), .exposed_ms = engine_->take_waited_ms()};
  }

 private:
  // Below here everything runs on the engine's thread.

  // Starts a collective and waits for it.
  template <typename Start>
  void start(const char* call, Start start_call) {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(start_call(&request), call);
    engine_->wait(request, call);
  }

  void reduce_in_chunks(void* data, int64_t count, DType type, ReduceOp op) {
    const bool is_float = type == DType::kFloat32 || type == DType::kFloat64;
    const int64_t most = max_chunk_bytes_ / size_of(type);
    for (int64_t first = 0; first < count; first += most) {
      auto* chunk = static_cast<std::byte*>(data) + first * size_of(type);
      const int64_t n = std::min(most, count - first);
      if (is_float && op == ReduceOp::kSum && size_ > 1) {
        if (type == DType::kFloat32) {
          sum_floats(reinterpret_cast<float*>(chunk), n, MPI_FLOAT);
        } else {
          sum_floats(reinterpret_cast<double*>(chunk), n, MPI_DOUBLE);
        }
      } else {
        start("MPI_Iallreduce", [&](MPI_Request* r) {
          return MPI_Iallreduce(MPI_IN_PLACE, chunk, static_cast<int>(n), mpi_type(type),
                                mpi_op(op), MPI_COMM_WORLD, r);
        });
      }
    }
  }

  void broadcast_in_chunks(void* data, int64_t num_bytes, int root) {
    for (int64_t first = 0; first < num_bytes; first += max_chunk_bytes_) {
      const int64_t n = std::min(max_chunk_bytes_, num_bytes - first);
      start("MPI_Ibcast", [&](MPI_Request* r) {
        return MPI_Ibcast(static_cast<std::byte*>(data) + first, static_cast<int>(n), MPI_BYTE,
                          root, MPI_COMM_WORLD, r);
      });
    }
  }

  void gather(const void* mine, std::byte* all, std::span<const int64_t> counts) {
    std::vector<int64_t> first(counts.size() + 1, 0);
    std::partial_sum(counts.begin(), counts.end(), first.begin() + 1);
    const auto me = static_cast<size_t>(rank_);
    if (mine != all + first[me] && counts[me] > 0) {
      std::copy_n(static_cast<const std::byte*>(mine), counts[me], all + first[me]);
    }
    if (first.back() > max_chunk_bytes_) {
      for (int r = 0; r < size_; ++r) {
        broadcast_in_chunks(all + first[static_cast<size_t>(r)], counts[static_cast<size_t>(r)], r);
      }
      return;
    }
    const std::vector<int> lengths(counts.begin(), counts.end());
    const std::vector<int> offsets(first.begin(), first.end() - 1);
    start("MPI_Iallgatherv", [&](MPI_Request* r) {
      return MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, lengths.data(),
                             offsets.data(), MPI_BYTE, MPI_COMM_WORLD, r);
    });
  }

  // MPI_Allreduce may add in an order that follows the placement of ranks on nodes. Here every sum
  // is taken in rank order: rank r receives everybody's r-th slice, adds, and sends the result to
  // all (the traffic of a ring all-reduce).
  template <typename T>
  void sum_floats(T* data, int64_t n, MPI_Datatype type) {
    constexpr int64_t kSmallBytes = 4096;  // below: one message to all costs less than two rounds
    if (n * static_cast<int64_t>(sizeof(T)) <= kSmallBytes) {
      T* parts = scratch<T>(n * size_);
      start("MPI_Iallgather", [&](MPI_Request* r) {
        return MPI_Iallgather(data, static_cast<int>(n), type, parts, static_cast<int>(n), type,
                              MPI_COMM_WORLD, r);
      });
      sum_in_rank_order(parts, size_, n, data);
      return;
    }
    std::vector<Range> slices;
    std::vector<int64_t> lengths_in_bytes;
    for (int r = 0; r < size_; ++r) {
      slices.push_back(owned_range(n, 1, r, size_));
      lengths_in_bytes.push_back(slices.back().size() * static_cast<int64_t>(sizeof(T)));
    }
    sum_parts(data, slices, type);
    gather(data + slices[static_cast<size_t>(rank_)].first, reinterpret_cast<std::byte*>(data),
           lengths_in_bytes);
  }

  // Leaves the sum of slice `rank` over all ranks in its place. Messages, not MPI_Ialltoallv: its
  // offsets are 32-bit, and slices may lie far apart.
  template <typename T>
  void sum_parts(T* data, const std::vector<Range>& slices, MPI_Datatype type) {
    constexpr int kTag = 1;
    const Range mine = slices[static_cast<size_t>(rank_)];
    T* parts = scratch<T>(mine.size() * size_);
    std::vector<MPI_Request> requests;
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      check_mpi(MPI_Irecv(parts + r * mine.size(), static_cast<int>(mine.size()), type, r, kTag,
                          MPI_COMM_WORLD, &requests.emplace_back()),
                "MPI_Irecv");
    }
    for (int step = 1; step < size_; ++step) {  // each rank sends to another one first
      const int r = (rank_ + step) % size_;
      const Range slice = slices[static_cast<size_t>(r)];
      check_mpi(MPI_Isend(data + slice.first, static_cast<int>(slice.size()), type, r, kTag,
                          MPI_COMM_WORLD, &requests.emplace_back()),
                "MPI_Isend");
    }
    std::copy_n(data + mine.first, mine.size(), parts + rank_ * mine.size());
    for (MPI_Request& request : requests) engine_->wait(request, "exchange of a float sum");
    sum_in_rank_order(parts, size_, mine.size(), data + mine.first);
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
    TUTTI_CHECK(std::this_thread::get_id() == caller_,
                "one thread makes the calls of a communicator");
  }

  int64_t max_chunk_bytes_;
  std::thread::id caller_;
  std::shared_ptr<MpiEngine> engine_;
  int rank_, size_;
  std::vector<double> scratch_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(const MpiOptions& options) {
  const auto launcher = detect_launcher();
  // MPI starts with the first communicator, and waits for all ranks.
  const StartWatch watch(launcher ? launcher->num_tasks : 1);
  auto comm = std::make_unique<MpiCommunicator>(options);
  refuse_singleton(launcher, comm->size());
  return comm;
}

std::unique_ptr<Communicator> make_mpi_communicator() {
  return make_mpi_communicator(MpiOptions{});
}

}  // namespace tutti
