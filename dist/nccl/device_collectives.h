#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "dist/communicator.h"

// The border between tutti and libtutti_nccl.so, a shared module of its own: the program starts
// without NCCL and the CUDA runtime, and loads the module when a CUDA device is asked for. Both
// sides are built together by one compiler, so C++ types may cross it; kAbi tells a stale module.
namespace tutti::nccl {

inline constexpr int kAbi = 1;

using UniqueId = std::array<char, 128>;

struct Versions {
  int nccl_built = 0, nccl_found = 0;  // 22809: 2.28.9
  int cuda_built = 0, cuda_found = 0;  // 13000: 13.0
};

struct DeviceOptions {
  int rank = 0, size = 1;
  int device = 0;    // CUDA device of this rank
  UniqueId id{};     // made by one rank, the same on all
  std::string host;  // names this rank in messages
  // cudaStream_t on which the data is computed and used; nullptr: the default stream, where ATen
  // works unless told otherwise.
  void* compute_stream = nullptr;
  // A collective that has not ended after this long has lost a peer. The first step is slow:
  // libraries load, kernels are chosen, connections are made.
  double first_limit_s = 600, limit_s = 120;
  double abort_limit_s = 10;  // how long the abort of the communicator itself may take
  double watch_every_s = 0.1;
  // NCCL counts in 64 bits; what takes longer than a limit must still be named by its part.
  int64_t max_chunk_elements = int64_t{1} << 28;
  // Called once when a peer is lost, behind the abort, from any thread: must end the job.
  std::function<void(const std::string& message)> on_failure;
};

// Collectives on device memory in a stream of their own, ordered with the compute stream by events.
// Meaning and rules of each call as in Communicator. After a failure every call throws
// PeerLostError; a CUDA error that is nobody's loss is a std::runtime_error.
class DeviceCollectives {
 public:
  virtual ~DeviceCollectives() = default;  // without shutdown(): aborts
  virtual void all_reduce_sum(float* data, int64_t count) = 0;
  virtual void reduce_scatter_sum(float* data, std::span<const int64_t> split) = 0;
  virtual void all_gather(float* data, std::span<const int64_t> split) = 0;
  virtual void wait() = 0;  // makes the compute stream wait; returns at once
  virtual BulkTimes take_times() = 0;
  virtual void set_step(int64_t step) = 0;
  // Ends the communicator together with the other ranks'. The last call.
  virtual void shutdown() = 0;
};

// What the module exports, one C symbol each, to be looked up by name.
using AbiFunction = int();
using VersionsFunction = void(Versions* versions);
using UniqueIdFunction = void(UniqueId* id);
// Gives what it makes to the caller. UsageError when there is no such device.
using ConnectFunction = void(const DeviceOptions& options,
                             std::unique_ptr<DeviceCollectives>* collectives);
inline constexpr const char* kAbiSymbol = "tutti_nccl_abi";
inline constexpr const char* kVersionsSymbol = "tutti_nccl_versions";
inline constexpr const char* kUniqueIdSymbol = "tutti_nccl_unique_id";
inline constexpr const char* kConnectSymbol = "tutti_nccl_connect";

}  // namespace tutti::nccl
