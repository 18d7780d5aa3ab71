// What looks after the collectives of a rank, and ends the job when a peer is lost.
#include <future>

#include <fmt/format.h>

#include "dist/nccl/nccl_collectives.h"
#include "dist/runtime/errors.h"

namespace tutti::nccl {
namespace {

std::chrono::duration<double> seconds(double s) {
  return std::chrono::duration<double>(s);
}

}  // namespace

void NcclCollectives::watch() {
  cudaSetDevice(options_.device);
  std::unique_lock ending(watch_mutex_);
  while (
      !watch_ends_.wait_for(ending, seconds(options_.watch_every_s), [this] { return ending_; })) {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) return;
    try {
      ncclResult_t state = ncclSuccess;
      const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
      retire_finished();
      if (asked == ncclSuccess && (state == ncclSuccess || state == ncclInProgress)) {
        if (in_flight_.empty()) continue;
        const double limit = first_step_done_ ? options_.limit_s : options_.first_limit_s;
        if (Clock::now() - in_flight_.front().launched <= seconds(limit)) continue;
        fail(fmt::format("{} has not ended within {} s: a rank died, hangs or is late",
                         where(nullptr), limit));
      }
      fail(fmt::format("{}: {} ({})", where(nullptr),
                       ncclGetErrorString(asked == ncclSuccess ? state : asked),
                       ncclGetLastError(comm_)));
    } catch (const PeerLostError&) {
      return;  // on_failure has the message
    } catch (const std::exception& error) {
      // A CUDA error: the next call of the model meets it too, but may wait for ever before.
      failure_ = fmt::format("{}: {}", where(nullptr), error.what());
      options_.on_failure(failure_);
      return;
    }
  }
}

void NcclCollectives::end_watch() {
  {
    const std::lock_guard lock(watch_mutex_);
    ending_ = true;
  }
  watch_ends_.notify_all();
  if (watch_.joinable()) watch_.join();
}

// "rank 1 of 8 on node3, step 12: all-reduce": the given call, or the oldest one that has not
// ended.
std::string NcclCollectives::where(const char* call) const {
  const bool has_oldest = call == nullptr && !in_flight_.empty();
  return fmt::format("rank {} of {} on {}, step {}: {}", options_.rank, options_.size,
                     options_.host, has_oldest ? in_flight_.front().step : step_,
                     call != nullptr ? call
                     : has_oldest    ? in_flight_.front().name
                                     : "between collectives");
}

void NcclCollectives::fail(const std::string& message) {
  failure_ = message;
  if (comm_ != nullptr && !abort_in_time()) {
    failure_ +=
        fmt::format("; the abort of NCCL did not return within {} s", options_.abort_limit_s);
  }
  options_.on_failure(failure_);
  throw PeerLostError(failure_);
}

// ncclCommAbort frees kernels that wait for a peer, but may itself wait for a device that hangs.
bool NcclCollectives::abort_in_time() {
  auto aborted = std::make_shared<std::promise<void>>();
  std::future<void> future = aborted->get_future();
  std::thread([aborted, comm = comm_, device = options_.device] {
    cudaSetDevice(device);
    ncclCommAbort(comm);
    aborted->set_value();
  }).detach();
  comm_ = nullptr;
  return future.wait_for(seconds(options_.abort_limit_s)) == std::future_status::ready;
}

void NcclCollectives::throw_if_failed() const {
  if (!failure_.empty()) throw PeerLostError(failure_);
}

}  // namespace tutti::nccl
