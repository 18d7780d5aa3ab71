#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include <mpi.h>

namespace tutti {

// The one thread of this process that initialises MPI and makes every MPI call. Others hand it
// jobs, which it runs in the order given. It waits by asking again (never inside MPI), so that a
// collective can run beside the computation of another thread, and an abort ends one that hangs.
class MpiEngine {
 public:
  // The engine of this process, started when nobody holds it. MPI can start once in a process.
  static std::shared_ptr<MpiEngine> get();
  // Runs what was started and finalises MPI, which waits for all ranks. While an exception is in
  // flight that others may not share it does neither: main ends the job.
  ~MpiEngine();
  MpiEngine(const MpiEngine&) = delete;
  MpiEngine& operator=(const MpiEngine&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; }

  // Runs the job, behind those started before; throws what it throws.
  void run(const std::function<void()>& job);
  // Queues the job. What it throws is thrown by the next wait_for_started().
  void start(std::function<void()> job);
  void wait_for_started();

  // For jobs: waits for one request. `call` names the collective in errors.
  void wait(MPI_Request& request, const char* call);

  // Milliseconds spent in jobs that were started (not run), and in waiting for them, since last
  // asked.
  double take_busy_ms() { return static_cast<double>(busy_ns_.exchange(0)) * 1e-6; }
  double take_waited_ms() { return static_cast<double>(waited_ns_.exchange(0)) * 1e-6; }

  // MPI_Abort, from any thread.
  [[noreturn]] void abort(int exit_code);

 private:
  struct Job {
    std::function<void()> work;
    bool is_started_only = false;
  };

  MpiEngine();
  void loop();
  void initialise();
  void finalise() const;
  void post(Job job);
  void wait_until_idle();

  const int exceptions_at_start_;
  int rank_ = 0, size_ = 1, local_rank_ = 0;
  bool owns_mpi_ = false;

  std::mutex mutex_;
  std::condition_variable posted_, finished_;
  std::deque<Job> jobs_;
  int64_t num_posted_ = 0, num_finished_ = 0;
  std::exception_ptr error_of_started_, error_of_start_up_;
  bool ready_ = false, leaving_ = false;

  std::atomic<bool> somebody_waits_ = false, gives_up_ = false;
  std::atomic<int> abort_code_ = kNoAbort;
  std::atomic<int64_t> busy_ns_ = 0, waited_ns_ = 0;
  static constexpr int kNoAbort = -1;

  std::thread thread_;  // last: it uses all of the above
};

// Nothing for MPI_SUCCESS. A bug of ours for codes that blame the arguments, PeerLostError naming
// the call otherwise.
void check_mpi(int code, const char* call);

}  // namespace tutti
