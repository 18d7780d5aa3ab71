#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "trainer/training_data.h"

namespace tutti::trainer {

// Makes the steps of a rank ahead of their use, on a thread of its own: while it lives, nothing
// else may touch the data, nor the files of its dataset.
class Prefetcher {
 public:
  // Steps [first_step, last_step), at most `ahead` of them waiting.
  Prefetcher(TrainingData& data, int64_t first_step, int64_t last_step, int rank, int world_size,
             int ahead = 4);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  // The next step; waits for it. Valid until the next call. Throws what making it threw.
  const TrainingData::Step& next();

 private:
  void make_all(int64_t first_step, int64_t last_step, int rank, int world_size);

  TrainingData& data_;
  std::vector<TrainingData::Step> ring_;  // `ahead` that wait and the one in use
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t num_made_ = 0, num_taken_ = 0;
  bool stop_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace tutti::trainer
