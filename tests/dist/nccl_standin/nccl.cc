// NCCL over shared memory: see README.md.
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "tests/dist/nccl_standin/meeting.h"
#include "tests/dist/nccl_standin/standin.h"

namespace {

using namespace std::string_view_literals;

constexpr int kPollsUntilDone = 3;  // of ncclCommGetAsyncError, until a call has taken effect

int number_from(const char* variable, int otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : std::atoi(value);
}
bool fails_by(std::string_view how) {
  const char* value = std::getenv("STANDIN_FAIL_HOW");
  return value != nullptr && value == how;
}

enum class Kind { kAllReduce, kReduceScatter, kReduce, kAllGather, kBroadcast };

struct Operation {
  Kind kind;
  const float* send;
  float* receive;
  size_t count;  // as given: a rank's part for reduce-scatter and all-gather
  int root;
  ncclComm_t comm;
  cudaStream_t stream;
};

thread_local int group_depth = 0;
thread_local std::vector<Operation> group;

}  // namespace

struct ncclComm {
  int rank = 0, size = 1;
  std::unique_ptr<standin::Meeting> meeting;
  std::atomic<bool> given_up = false;
  std::atomic<int> num_collectives = 0;

  std::mutex mutex;
  ncclResult_t state = ncclSuccess;
  int polls_left = 0;
  std::vector<Operation> pending;  // of a group that has not settled

  bool fails_at(int collective) const {
    return number_from("STANDIN_FAIL_RANK", -1) == rank &&
           number_from("STANDIN_FAIL_AT", -1) == collective;
  }
  void set_state(ncclResult_t result) {
    const std::lock_guard lock(mutex);
    state = result;
  }
};

namespace {

void wait_for_abort(const ncclComm& comm) {
  while (!comm.given_up) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

// One round of the meeting for `n` floats of each rank, of which each hands to `use` all slots.
template <typename Use>
bool exchange(ncclComm& comm, const std::string& call, const float* mine, size_t n, Use use) {
  standin::Meeting::Slot& slot = comm.meeting->slot(comm.rank);
  std::snprintf(slot.call, sizeof(slot.call), "%s", call.c_str());
  if (mine != nullptr) std::memcpy(slot.data, mine, n * sizeof(float));
  if (!comm.meeting->arrive_and_wait(comm.given_up)) return false;
  for (int r = 0; r < comm.size; ++r) {
    if (comm.meeting->slot(r).call == call) continue;
    comm.set_state(ncclInvalidUsage);  // ranks disagree: real kernels would hang
    wait_for_abort(comm);
    return false;
  }
  use([&](int r) { return reinterpret_cast<const float*>(comm.meeting->slot(r).data); });
  return comm.meeting->arrive_and_wait(comm.given_up);
}

// The "kernel" of an operation. Every kind is done on whole buffers, a slot at a time, by summing
// or by copying what its owner has.
void run(const Operation& op) {
  ncclComm& comm = *op.comm;
  if (comm.given_up) return;
  if (comm.fails_at(++comm.num_collectives)) {
    if (!fails_by("hang"sv)) comm.set_state(ncclRemoteError);
    wait_for_abort(comm);
    return;
  }
  const bool in_parts = op.kind == Kind::kReduceScatter || op.kind == Kind::kAllGather;
  const size_t total = op.count * static_cast<size_t>(in_parts ? comm.size : 1);
  constexpr size_t kSlot = standin::Meeting::kSlotBytes / sizeof(float);
  for (size_t first = 0; first < total;) {
    // A slot does not cross the border between two ranks' parts.
    const size_t part = first / op.count;
    const size_t n = std::min({kSlot, total - first, (part + 1) * op.count - first});
    const int owner = in_parts ? static_cast<int>(part) : op.root;
    const std::string call = std::to_string(static_cast<int>(op.kind)) + " " +
                             std::to_string(op.count) + " " + std::to_string(op.root) + " " +
                             std::to_string(first);
    const bool gathers = op.kind == Kind::kAllGather || op.kind == Kind::kBroadcast;
    const float* mine = op.send + first;
    if (op.kind == Kind::kAllGather)
      mine = owner == comm.rank ? op.send + first - part * op.count : nullptr;
    if (op.kind == Kind::kBroadcast && owner != comm.rank) mine = nullptr;
    const bool receives = op.kind == Kind::kAllReduce || gathers || owner == comm.rank;
    float* out = op.receive + first - (op.kind == Kind::kReduceScatter ? part * op.count : 0);
    const bool done = exchange(comm, call, mine, n, [&](auto slot) {
      if (!receives) return;
      for (size_t i = 0; i < n; ++i) {
        float value = gathers ? slot(owner)[i] : 0;
        for (int r = 0; !gathers && r < comm.size; ++r) value += slot(r)[i];
        out[i] = value;
      }
    });
    if (!done) return;
    first += n;
  }
}

void start(const std::vector<Operation>& operations) {
  for (const Operation& op : operations) standin::launch(op.stream, [op] { run(op); });
}

ncclResult_t add(const char* name, const Operation& op) {
  standin::record(std::string(name) + " " + std::to_string(op.count));
  const std::lock_guard lock(op.comm->mutex);
  // A non-blocking communicator takes no call before the last one has taken effect.
  if (op.comm->state != ncclSuccess) return ncclInvalidUsage;
  if (group_depth == 0) return ncclInvalidUsage;  // our module groups everything
  group.push_back(op);
  return ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = number_from("STANDIN_NCCL_VERSION", NCCL_VERSION_CODE);
  return ncclSuccess;
}
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id->internal, 0, sizeof(id->internal));
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  std::snprintf(id->internal, sizeof(id->internal), "/tutti_standin_%d_%lld", getpid(),
                static_cast<long long>(now));
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError    ? "remote process exited or there was a network error"
         : result == ncclInvalidUsage ? "invalid usage"
                                      : "stand-in NCCL error";
}
const char* ncclGetLastError(ncclComm_t /*comm*/) {
  return "stand-in: last error";
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config->blocking != 0 || size > standin::Meeting::kMaxRanks) return ncclInvalidArgument;
  standin::record("ncclCommInit " + std::to_string(rank) + " of " + std::to_string(size));
  *comm = new ncclComm;
  (*comm)->rank = rank;
  (*comm)->size = size;
  (*comm)->meeting = std::make_unique<standin::Meeting>(id.internal, rank, size);
  (*comm)->state = ncclInProgress;
  const bool hangs = fails_by("init"sv) && number_from("STANDIN_FAIL_RANK", -1) == rank;
  (*comm)->polls_left = hangs ? 1 << 30 : kPollsUntilDone;
  return ncclInProgress;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  std::vector<Operation> settled;
  {
    const std::lock_guard lock(comm->mutex);
    if (comm->state == ncclInProgress && --comm->polls_left <= 0) {
      comm->state = ncclSuccess;
      settled.swap(comm->pending);
    }
    *state = comm->state;
    start(settled);
  }
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  standin::record("ncclCommFinalize");
  const std::lock_guard lock(comm->mutex);
  comm->state = ncclInProgress;
  comm->polls_left = kPollsUntilDone;
  return ncclInProgress;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  standin::record("ncclCommDestroy");
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  standin::record("ncclCommAbort");
  comm->meeting->forget_name();
  while (fails_by("stuck"sv)) std::this_thread::sleep_for(std::chrono::seconds(1));
  comm->given_up = true;  // kernels still refer to it: it is left to the end of the process
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  standin::record("ncclGroupStart");
  ++group_depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  standin::record("ncclGroupEnd");
  if (--group_depth > 0 || group.empty()) return ncclSuccess;
  ncclComm& comm = *group.front().comm;
  const std::lock_guard lock(comm.mutex);
  comm.pending = std::exchange(group, {});
  comm.state = ncclInProgress;
  comm.polls_left = kPollsUntilDone;
  return ncclInProgress;
}

ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat || op != ncclSum) return ncclInvalidArgument;
  return add("ncclAllReduce", {Kind::kAllReduce, static_cast<const float*>(send),
                               static_cast<float*>(receive), count, 0, comm, stream});
}
ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat || op != ncclSum) return ncclInvalidArgument;
  return add("ncclReduceScatter", {Kind::kReduceScatter, static_cast<const float*>(send),
                                   static_cast<float*>(receive), count, 0, comm, stream});
}
ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                        ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat || op != ncclSum) return ncclInvalidArgument;
  return add("ncclReduce", {Kind::kReduce, static_cast<const float*>(send),
                            static_cast<float*>(receive), count, root, comm, stream});
}
ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat) return ncclInvalidArgument;
  return add("ncclAllGather", {Kind::kAllGather, static_cast<const float*>(send),
                               static_cast<float*>(receive), count, 0, comm, stream});
}
ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type,
                           int root, ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat) return ncclInvalidArgument;
  return add("ncclBroadcast", {Kind::kBroadcast, static_cast<const float*>(send),
                               static_cast<float*>(receive), count, root, comm, stream});
}
}
