#pragma once

#include <barrier>
#include <cstring>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "dist/communicator.h"

namespace tutti {

// What the ranks of a world of threads share.
struct ThreadWorld {
  explicit ThreadWorld(int num_ranks) : size(num_ranks), barrier(num_ranks), buffers(num_ranks) {}
  int size;
  std::barrier<> barrier;
  std::vector<std::vector<std::byte>> buffers;  // what each rank gives
};

// Ranks as threads of one process: an exact Communicator for tests of world sizes.
class ThreadCommunicator : public Communicator {
 public:
  ThreadCommunicator(ThreadWorld& world, int rank) : world_(world), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return world_.size; }

  void all_reduce(void* data, int64_t count, DType type, ReduceOp op) override {
    give(data, count * size_of(type));
    switch (type) {
      case DType::kInt32:
        return reduce(static_cast<int32_t*>(data), count, op);
      case DType::kInt64:
        return reduce(static_cast<int64_t*>(data), count, op);
      case DType::kFloat32:
        return reduce(static_cast<float*>(data), count, op);
      case DType::kFloat64:
        return reduce(static_cast<double*>(data), count, op);
    }
  }

  void broadcast(void* data, int64_t num_bytes, int root) override {
    give(data, rank_ == root ? num_bytes : 0);
    if (num_bytes > 0) std::memcpy(data, world_.buffers[root].data(), num_bytes);
    world_.barrier.arrive_and_wait();
  }

  void all_gather_bytes(const void* mine, void* all, std::span<const int64_t> counts) override {
    give(mine, counts[rank_]);
    auto* out = static_cast<std::byte*>(all);
    for (int r = 0; r < size(); ++r) {
      if (counts[r] > 0) std::memcpy(out, world_.buffers[r].data(), counts[r]);
      out += counts[r];
    }
    world_.barrier.arrive_and_wait();
  }

  void barrier() override { world_.barrier.arrive_and_wait(); }
  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }

 private:
  void give(const void* data, int64_t num_bytes) {
    const auto* bytes = static_cast<const std::byte*>(data);
    world_.buffers[rank_].assign(bytes, bytes + num_bytes);
    world_.barrier.arrive_and_wait();
  }

  template <typename T>
  void reduce(T* data, int64_t count, ReduceOp op) {
    for (int r = 0; r < size(); ++r) {
      const T* other = reinterpret_cast<const T*>(world_.buffers[r].data());
      for (int64_t i = 0; i < count; ++i) {
        if (r == 0) {
          data[i] = other[i];
        } else if (op == ReduceOp::kSum) {
          data[i] += other[i];
        } else if (op == ReduceOp::kMax) {
          data[i] = std::max(data[i], other[i]);
        } else {
          data[i] = std::min(data[i], other[i]);
        }
      }
    }
    world_.barrier.arrive_and_wait();
  }

  ThreadWorld& world_;
  int rank_;
};

// Runs `work` on every rank of a world of this size. The first rank's exception is thrown again;
// all ranks must throw, or none (else the others wait forever).
inline void run_ranks(int num_ranks, const std::function<void(Communicator&)>& work) {
  ThreadWorld world(num_ranks);
  std::vector<std::exception_ptr> errors(num_ranks);
  std::vector<std::thread> threads;
  threads.reserve(num_ranks);
  for (int rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadCommunicator comm(world, rank);
      try {
        work(comm);
      } catch (...) {
        errors[rank] = std::current_exception();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace tutti
