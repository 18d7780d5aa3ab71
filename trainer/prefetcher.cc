#include "trainer/prefetcher.h"

namespace tutti::trainer {

Prefetcher::Prefetcher(TrainingData& data, int64_t first_step, int64_t last_step, int rank,
                       int world_size, int ahead)
    : data_(data), ring_(ahead + 1) {
  thread_ = std::thread([this, first_step, last_step, rank, world_size] {
    make_all(first_step, last_step, rank, world_size);
  });
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Prefetcher::make_all(int64_t first_step, int64_t last_step, int rank, int world_size) {
  try {
    for (int64_t step = first_step; step < last_step; ++step) {
      const auto size = std::ssize(ring_);
      {
        std::unique_lock lock(mutex_);
        // The step taken last is in use: its place is not free yet.
        changed_.wait(lock, [&] { return stop_ || num_made_ - num_taken_ < size - 1; });
        if (stop_) return;
      }
      data_.make_step(step, rank, world_size, ring_[(step - first_step) % size]);
      const std::lock_guard lock(mutex_);
      ++num_made_;
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

const TrainingData::Step& Prefetcher::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_ != nullptr || num_made_ > num_taken_; });
  if (num_made_ == num_taken_) std::rethrow_exception(failure_);
  const auto place = num_taken_++ % std::ssize(ring_);
  changed_.notify_all();
  return ring_[place];
}

}  // namespace tutti::trainer
