#include "dist/runtime/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "dist/runtime/errors.h"

namespace tutti {

struct ThreadPool::State {
  using Work = std::function<void(int64_t, int)>;

  std::mutex mutex;
  std::condition_variable start, done;
  // Guarded by mutex.
  uint64_t job = 0;  // counts calls of for_each_block
  int num_working = 0;
  bool closing = false;
  std::exception_ptr failure;
  int64_t failed_block = std::numeric_limits<int64_t>::max();

  // Fixed while a job runs.
  const Work* work = nullptr;
  int64_t num_blocks = 0;

  std::atomic<int64_t> next_block = 0;
  std::atomic<bool> busy = false;
  std::vector<std::thread> workers;

  ~State() {
    {
      const std::lock_guard lock(mutex);
      closing = true;
    }
    start.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void run_blocks(int thread) {
    while (true) {
      const int64_t block = next_block.fetch_add(1);
      if (block >= num_blocks) return;
      try {
        (*work)(block, thread);
      } catch (...) {
        next_block = num_blocks;  // deal no further blocks
        // Blocks are dealt in rising order, so the lowest block that fails always runs: the caller
        // sees the same exception for any number of threads.
        const std::lock_guard lock(mutex);
        if (block < failed_block) {
          failed_block = block;
          failure = std::current_exception();
        }
      }
    }
  }

  void serve(int thread) {
    uint64_t last_job = 0;
    std::unique_lock lock(mutex);
    while (true) {
      start.wait(lock, [&] { return closing || job != last_job; });
      if (closing) return;
      last_job = job;
      lock.unlock();
      run_blocks(thread);
      lock.lock();
      if (--num_working == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int num_threads) : state_(std::make_unique<State>()) {
  TUTTI_CHECK(num_threads >= 1);
  for (int thread = 1; thread < num_threads; ++thread) {
    state_->workers.emplace_back([state = state_.get(), thread] { state->serve(thread); });
  }
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::num_threads() const {
  return static_cast<int>(state_->workers.size()) + 1;
}

void ThreadPool::for_each_block(int64_t num_blocks,
                                const std::function<void(int64_t block, int thread)>& work) {
  State& state = *state_;
  TUTTI_CHECK(!state.busy.exchange(true), "a thread pool runs one job at a time");
  {
    const std::lock_guard lock(state.mutex);
    state.work = &work;
    state.num_blocks = num_blocks;
    state.next_block = 0;
    state.failure = nullptr;
    state.failed_block = std::numeric_limits<int64_t>::max();
    state.num_working = static_cast<int>(state.workers.size());
    ++state.job;
  }
  state.start.notify_all();
  state.run_blocks(0);
  std::exception_ptr failure;
  {
    std::unique_lock lock(state.mutex);
    state.done.wait(lock, [&] { return state.num_working == 0; });
    failure = std::exchange(state.failure, nullptr);
  }
  state.busy = false;
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tutti
