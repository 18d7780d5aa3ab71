#pragma once

#include <chrono>

#include "ids/gemm.h"

namespace tutti::ids {

// Adds its own life, and the multiply-adds of a product, to the meter of the thread.
class MeteredProduct {
 public:
  // out [m, n] of sums over k
  MeteredProduct(int64_t m, int64_t k, int64_t n) {
    meter.flops += 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n);
  }
  ~MeteredProduct() {
    meter.seconds += std::chrono::duration<double>(Clock::now() - start_).count();
  }
  MeteredProduct(const MeteredProduct&) = delete;
  MeteredProduct& operator=(const MeteredProduct&) = delete;

  static thread_local GemmMeter meter;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace tutti::ids
