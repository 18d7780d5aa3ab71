#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace tutti {

// A fixed set of worker threads for blocks of independent work. The caller's thread works too, so
// ThreadPool(1) starts no thread.
class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);  // >= 1
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const;

  // Calls work(block, thread) once for every block in [0, num_blocks), blocks in rising order as
  // threads get free; thread < num_threads(). Returns when all are done. The first exception is
  // thrown again here, after all threads have stopped.
  void for_each_block(int64_t num_blocks,
                      const std::function<void(int64_t block, int thread)>& work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tutti
