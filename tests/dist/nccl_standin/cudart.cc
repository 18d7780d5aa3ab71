// The CUDA runtime over threads: see README.md.
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/dist/nccl_standin/standin.h"

// A stream: a thread that works through a queue.
struct CUstream_st {
  explicit CUstream_st(std::string stream_name)
      : name(std::move(stream_name)), worker([this] { work(); }) {}
  ~CUstream_st() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    changed.notify_all();
    worker.join();
  }

  void push(std::function<void()> task) {
    const std::lock_guard lock(mutex);
    queue.push_back(std::move(task));
    changed.notify_all();
  }
  void drain() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return queue.empty(); });
  }
  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return ending || !queue.empty(); });
      if (queue.empty()) return;
      const std::function<void()> task = queue.front();
      lock.unlock();
      task();
      lock.lock();
      queue.pop_front();
      changed.notify_all();
    }
  }

  std::string name;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> queue;
  bool ending = false;
  std::thread worker;
};

namespace {

using Clock = std::chrono::steady_clock;

// One recording of an event; recording again makes another one.
struct Mark {
  std::mutex mutex;
  std::condition_variable changed;
  bool reached = false;
  Clock::time_point when;
};

std::mutex calls_mutex;
std::vector<std::string> recorded_calls;

CUstream_st& stream_of(cudaStream_t stream) {
  // Leaked: it may still work when static objects are destroyed.
  static auto* default_stream = new CUstream_st("default");
  return stream == nullptr ? *default_stream : *stream;
}

int number_from(const char* variable, int otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : std::atoi(value);
}

}  // namespace

struct CUevent_st {
  bool has_timing = true;
  std::shared_ptr<Mark> mark;  // none: never recorded, counts as reached
};

namespace standin {

std::vector<std::string> calls() {
  const std::lock_guard lock(calls_mutex);
  return recorded_calls;
}
void clear_calls() {
  const std::lock_guard lock(calls_mutex);
  recorded_calls.clear();
}
void record(const std::string& call) {
  const std::lock_guard lock(calls_mutex);
  recorded_calls.push_back(call);
}
void launch(cudaStream_t stream, std::function<void()> work) {
  stream_of(stream).push(std::move(work));
}

}  // namespace standin

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = number_from("STANDIN_DEVICES", 8);
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaSetDevice(int device) {
  int count = 0;
  cudaGetDeviceCount(&count);
  return device >= 0 && device < count ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = number_from("STANDIN_CUDA_VERSION", CUDART_VERSION);
  return cudaSuccess;
}
// libtorch_cpu links to these three for its profiler; no test calls them.
cudaError_t cudaDriverGetVersion(int* /*version*/) {
  return cudaErrorNotSupported;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* /*properties*/, int /*device*/) {
  return cudaErrorNotSupported;
}
cudaError_t cudaDeviceSynchronize() {
  return cudaErrorNotSupported;
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorNoDevice ? "no CUDA-capable device is detected" : "stand-in CUDA error";
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  *stream = new CUstream_st(flags == cudaStreamNonBlocking ? "comm" : "serial");
  standin::record("cudaStreamCreate " + (*stream)->name);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  standin::record("cudaStreamDestroy " + stream->name);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  stream_of(stream).drain();
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new CUevent_st{(flags & cudaEventDisableTiming) == 0, nullptr};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  // Marks for time measurement are not worth a line each.
  if (!event->has_timing) standin::record("cudaEventRecord " + stream_of(stream).name);
  const auto mark = std::make_shared<Mark>();
  event->mark = mark;
  stream_of(stream).push([mark] {
    const std::lock_guard lock(mark->mutex);
    mark->reached = true;
    mark->when = Clock::now();
    mark->changed.notify_all();
  });
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  standin::record("cudaStreamWaitEvent " + stream_of(stream).name);
  if (const auto mark = event->mark) {
    stream_of(stream).push([mark] {
      std::unique_lock lock(mark->mutex);
      mark->changed.wait(lock, [&] { return mark->reached; });
    });
  }
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const auto mark = event->mark;
  if (mark == nullptr) return cudaSuccess;
  const std::lock_guard lock(mark->mutex);
  return mark->reached ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  if (!start->has_timing || !end->has_timing || start->mark == nullptr || end->mark == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  if (cudaEventQuery(start) != cudaSuccess || cudaEventQuery(end) != cudaSuccess) {
    return cudaErrorNotReady;
  }
  *ms = std::chrono::duration<float, std::milli>(end->mark->when - start->mark->when).count();
  return cudaSuccess;
}
}
