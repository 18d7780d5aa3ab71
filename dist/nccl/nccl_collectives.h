#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dist/nccl/calls.h"
#include "dist/nccl/device_collectives.h"

namespace tutti::nccl {

// One non-blocking NCCL communicator, one stream, and a watch that looks after both.
class NcclCollectives : public DeviceCollectives {
 public:
  explicit NcclCollectives(const DeviceOptions& options);
  ~NcclCollectives() override;

  void all_reduce_sum(float* data, int64_t count) override;
  void reduce_scatter_sum(float* data, std::span<const int64_t> split) override;
  void all_gather(float* data, std::span<const int64_t> split) override;
  void wait() override;
  BulkTimes take_times() override;
  void set_step(int64_t step) override;
  void shutdown() override;

 private:
  using Clock = std::chrono::steady_clock;

  struct Collective {
    const char* name;
    int64_t step;
    Clock::time_point launched;
    std::unique_ptr<Event> start, end;  // in the communication stream
  };
  // The compute stream came to wait(), and the collectives before it had ended.
  struct Wait {
    std::unique_ptr<Event> arrived, released;
  };

  template <typename Launch>
  void enqueue(const char* name, Launch launch);
  // Polls until the last call has taken effect (a non-blocking communicator returns before).
  void settle(ncclResult_t result, const char* call);
  void connect();

  void watch();
  void retire_finished();
  void end_watch();
  std::string where(const char* call) const;
  // Aborts the communicator, remembers the message, calls on_failure, throws PeerLostError.
  [[noreturn]] void fail(const std::string& message);
  bool abort_in_time();
  void throw_if_failed() const;

  const DeviceOptions options_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
  Event compute_reached_{cudaEventDisableTiming};

  mutable std::mutex mutex_;  // of what follows, and of launches
  std::deque<Collective> in_flight_;
  std::deque<Wait> waits_;
  BulkTimes times_;
  int64_t step_ = 0;
  bool first_step_done_ = false;
  std::string failure_;

  std::mutex watch_mutex_;
  std::condition_variable watch_ends_;
  bool ending_ = false;
  std::thread watch_;
};

}  // namespace tutti::nccl
