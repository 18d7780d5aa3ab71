#include "dist/nccl/nccl_collectives.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::nccl {
namespace {

constexpr std::chrono::microseconds kPoll(50);  // a call settles within microseconds

// Inside a group nothing starts: a call returns an error of its arguments, or ncclInProgress.
void check_grouped(ncclResult_t result, const char* call) {
  TUTTI_CHECK(result == ncclSuccess || result == ncclInProgress,
              std::string(call) + ": " + ncclGetErrorString(result));
}

}  // namespace

NcclCollectives::NcclCollectives(const DeviceOptions& options) : options_(options) {
  check_cuda(cudaSetDevice(options_.device), "cudaSetDevice");
  // Without the flag the stream would take turns with the default stream, where the model computes.
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
  const std::lock_guard lock(mutex_);
  connect();
  watch_ = std::thread([this] { watch(); });
}

NcclCollectives::~NcclCollectives() {
  end_watch();
  if (comm_ != nullptr && failure_.empty()) abort_in_time();
  // After a failure the stream may hold work that never ends: it goes with the process.
}

void NcclCollectives::connect() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;  // no call may hang where the watch cannot end it
  ncclUniqueId id;
  static_assert(sizeof(id.internal) == sizeof(options_.id));
  std::memcpy(id.internal, options_.id.data(), sizeof(id.internal));
  settle(ncclCommInitRankConfig(&comm_, options_.size, id, options_.rank, &config),
         "ncclCommInitRankConfig");
}

void NcclCollectives::settle(ncclResult_t result, const char* call) {
  const Clock::time_point start = Clock::now();
  const double limit = first_step_done_ ? options_.limit_s : options_.first_limit_s;
  while (result == ncclInProgress) {
    if (Clock::now() - start > std::chrono::duration<double>(limit)) {
      fail(fmt::format("{} did not return within {} s", where(call), limit));
    }
    std::this_thread::sleep_for(kPoll);
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    result = asked == ncclSuccess ? state : asked;
  }
  if (result != ncclSuccess) {
    fail(fmt::format("{}: {} ({})", where(call), ncclGetErrorString(result),
                     ncclGetLastError(comm_)));
  }
}

// Orders the compute stream's work so far before the collective, and leaves it to the watch.
template <typename Launch>
void NcclCollectives::enqueue(const char* name, Launch launch) {
  const std::lock_guard lock(mutex_);
  throw_if_failed();
  // Autograd's threads make this call too, and CUDA keeps the device a thread.
  check_cuda(cudaSetDevice(options_.device), "cudaSetDevice");
  compute_reached_.record(static_cast<cudaStream_t>(options_.compute_stream));
  compute_reached_.make_wait(stream_);
  Collective collective{name, step_, Clock::now(), std::make_unique<Event>(cudaEventDefault),
                        std::make_unique<Event>(cudaEventDefault)};
  collective.start->record(stream_);
  settle(ncclGroupStart(), name);
  launch();
  // Only when the group has settled are its kernels in the stream, in front of the next event.
  settle(ncclGroupEnd(), name);
  collective.end->record(stream_);
  in_flight_.push_back(std::move(collective));
}

void NcclCollectives::all_reduce_sum(float* data, int64_t count) {
  enqueue("all-reduce", [&] {
    for (int64_t first = 0; first < count; first += options_.max_chunk_elements) {
      const auto n = static_cast<size_t>(std::min(options_.max_chunk_elements, count - first));
      check_grouped(
          ncclAllReduce(data + first, data + first, n, ncclFloat, ncclSum, comm_, stream_),
          "ncclAllReduce");
    }
  });
}

void NcclCollectives::reduce_scatter_sum(float* data, std::span<const int64_t> split) {
  TUTTI_CHECK(std::ssize(split) == options_.size + 1);
  const int64_t each = split[1] - split[0];
  bool equal = each <= options_.max_chunk_elements;
  for (size_t r = 0; r + 1 < split.size(); ++r) equal = equal && split[r + 1] - split[r] == each;
  enqueue("reduce-scatter", [&] {
    if (equal) {  // NCCL's counts are one rank's part; in place
      if (each == 0) return;
      check_grouped(
          ncclReduceScatter(data + split[0], data + split[0] + options_.rank * each,
                            static_cast<size_t>(each), ncclFloat, ncclSum, comm_, stream_),
          "ncclReduceScatter");
      return;
    }
    for (int owner = 0; owner < options_.size; ++owner) {
      const auto r = static_cast<size_t>(owner);
      for (int64_t first = split[r]; first < split[r + 1]; first += options_.max_chunk_elements) {
        const auto n =
            static_cast<size_t>(std::min(options_.max_chunk_elements, split[r + 1] - first));
        check_grouped(
            ncclReduce(data + first, data + first, n, ncclFloat, ncclSum, owner, comm_, stream_),
            "ncclReduce");
      }
    }
  });
}

void NcclCollectives::all_gather(float* data, std::span<const int64_t> split) {
  TUTTI_CHECK(std::ssize(split) == options_.size + 1);
  const int64_t each = split[1] - split[0];
  bool equal = each <= options_.max_chunk_elements;
  for (size_t r = 0; r + 1 < split.size(); ++r) equal = equal && split[r + 1] - split[r] == each;
  enqueue("all-gather", [&] {
    if (equal) {
      if (each == 0) return;
      check_grouped(ncclAllGather(data + split[0] + options_.rank * each, data + split[0],
                                  static_cast<size_t>(each), ncclFloat, comm_, stream_),
                    "ncclAllGather");
      return;
    }
    for (int owner = 0; owner < options_.size; ++owner) {
      const auto r = static_cast<size_t>(owner);
      for (int64_t first = split[r]; first < split[r + 1]; first += options_.max_chunk_elements) {
        const auto n =
            static_cast<size_t>(std::min(options_.max_chunk_elements, split[r + 1] - first));
        check_grouped(
            ncclBroadcast(data + first, data + first, n, ncclFloat, owner, comm_, stream_),
            "ncclBroadcast");
      }
    }
  });
}

void NcclCollectives::wait() {
  const std::lock_guard lock(mutex_);
  throw_if_failed();
  const auto compute = static_cast<cudaStream_t>(options_.compute_stream);
  Wait wait{std::make_unique<Event>(cudaEventDefault), std::make_unique<Event>(cudaEventDefault)};
  wait.arrived->record(compute);
  wait.released->record(stream_);
  wait.released->make_wait(compute);
  waits_.push_back(std::move(wait));
}

BulkTimes NcclCollectives::take_times() {
  const std::lock_guard lock(mutex_);
  throw_if_failed();
  retire_finished();
  return std::exchange(times_, {});
}

void NcclCollectives::set_step(int64_t step) {
  const std::lock_guard lock(mutex_);
  throw_if_failed();
  step_ = step;
}

// Adds what has ended to the times.
void NcclCollectives::retire_finished() {
  while (!in_flight_.empty() && in_flight_.front().end->is_done()) {
    const Collective& done = in_flight_.front();
    times_.busy_ms += done.end->ms_since(*done.start);
    first_step_done_ = first_step_done_ || done.step != step_;
    in_flight_.pop_front();
  }
  while (!waits_.empty() && waits_.front().arrived->is_done() &&
         waits_.front().released->is_done()) {
    times_.exposed_ms += std::max(0.0, waits_.front().released->ms_since(*waits_.front().arrived));
    waits_.pop_front();
  }
}

void NcclCollectives::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    throw_if_failed();
    settle(ncclCommFinalize(comm_), "ncclCommFinalize");
  }
  end_watch();
  const std::lock_guard lock(mutex_);
  throw_if_failed();
  check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  in_flight_.clear();
  waits_.clear();
  const ncclResult_t destroyed = ncclCommDestroy(std::exchange(comm_, nullptr));
  check_cuda(cudaStreamDestroy(stream_), "cudaStreamDestroy");
  if (destroyed != ncclSuccess) {
    throw std::runtime_error(std::string("ncclCommDestroy: ") + ncclGetErrorString(destroyed));
  }
}

}  // namespace tutti::nccl
