#include "dist/mpi_engine.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "dist/call_trace.h"
#include "dist/runtime/errors.h"
#include "dist/single_copy.h"

namespace tutti {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

int64_t nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

// How a job waits for a message: by asking again at once (a peer on the same node answers within
// microseconds), then leaving the core to whoever wants it, then sleeping. While nobody waits for
// the job the core belongs to the computation: it sleeps soon.
constexpr int kAsksAtOnce = 50;
constexpr microseconds kYieldingFor(2000);
constexpr microseconds kSleep(50);

}  // namespace

std::shared_ptr<MpiEngine> MpiEngine::get() {
  static std::mutex mutex;
  static std::weak_ptr<MpiEngine> current;
  const std::lock_guard lock(mutex);
  std::shared_ptr<MpiEngine> engine = current.lock();
  if (engine == nullptr) {
    engine.reset(new MpiEngine);
    current = engine;
  }
  return engine;
}

MpiEngine::MpiEngine()
    : exceptions_at_start_(std::uncaught_exceptions()), thread_([this] { loop(); }) {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [this] { return ready_; });
  if (error_of_start_up_ == nullptr) return;
  lock.unlock();
  thread_.join();
  std::rethrow_exception(error_of_start_up_);
}

MpiEngine::~MpiEngine() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
    if (std::uncaught_exceptions() > exceptions_at_start_) gives_up_ = true;
  }
  posted_.notify_all();
  thread_.join();
}

void MpiEngine::initialise() {
  int initialized = 0, finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  TUTTI_CHECK(initialized == 0 && finalized == 0, "MPI cannot start twice in one process");
  choose_single_copy();
  int provided = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  owns_mpi_ = true;
  TUTTI_CHECK(provided >= MPI_THREAD_FUNNELED, "this MPI cannot be used with threads");
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  check_mpi(MPI_Comm_rank(node, &local_rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_free(&node), "MPI_Comm_free");
}

void MpiEngine::loop() {
  try {
    initialise();
  } catch (...) {
    error_of_start_up_ = std::current_exception();
  }
  std::unique_lock lock(mutex_);
  ready_ = true;
  finished_.notify_all();
  while (error_of_start_up_ == nullptr) {
    posted_.wait(lock, [this] { return !jobs_.empty() || leaving_ || abort_code_ != kNoAbort; });
    if (abort_code_ != kNoAbort) MPI_Abort(MPI_COMM_WORLD, abort_code_);
    if (gives_up_ || jobs_.empty()) break;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    const Clock::time_point start = Clock::now();
    std::exception_ptr error;
    try {
      job.work();
    } catch (...) {
      error = std::current_exception();
    }
    if (job.is_started_only) busy_ns_ += nanoseconds_since(start);
    lock.lock();
    if (error != nullptr && error_of_started_ == nullptr) error_of_started_ = error;
    ++num_finished_;
    finished_.notify_all();
  }
  if (owns_mpi_ && !gives_up_) MPI_Finalize();
}

void MpiEngine::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    ++num_posted_;
  }
  posted_.notify_all();
}

void MpiEngine::wait_until_idle() {
  somebody_waits_ = true;
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [this] { return num_finished_ == num_posted_; });
  somebody_waits_ = false;
  if (error_of_started_ != nullptr) {
    std::rethrow_exception(std::exchange(error_of_started_, nullptr));
  }
}

void MpiEngine::run(const std::function<void()>& job) {
  post({job, false});
  wait_until_idle();
}

void MpiEngine::start(std::function<void()> job) {
  post({std::move(job), true});
}

void MpiEngine::wait_for_started() {
  const Clock::time_point start = Clock::now();
  wait_until_idle();
  waited_ns_ += nanoseconds_since(start);
}

void MpiEngine::wait(MPI_Request& request, const char* call) {
  const TracedCall traced(call);
  const Clock::time_point start = Clock::now();
  for (int64_t asked = 0;; ++asked) {
    int done = 0;
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
    if (done != 0) return;
    if (abort_code_ != kNoAbort) MPI_Abort(MPI_COMM_WORLD, abort_code_);
    if (gives_up_) throw PeerLostError(std::string(call) + ": given up, the job has failed");
    if (asked < kAsksAtOnce) continue;
    if (somebody_waits_ && Clock::now() - start < kYieldingFor) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(kSleep);
    }
  }
}

void MpiEngine::abort(int exit_code) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }
  {
    const std::lock_guard lock(mutex_);
    int none = kNoAbort;
    abort_code_.compare_exchange_strong(none, exit_code);  // the first one counts
  }
  posted_.notify_all();
  // The engine ends this process. Should it hang inside MPI, the launcher ends the other ranks.
  std::this_thread::sleep_for(std::chrono::seconds(5));
  std::_Exit(exit_code);
}

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

}  // namespace tutti
