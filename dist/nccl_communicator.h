#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "dist/communicator.h"
#include "dist/nccl/device_collectives.h"

namespace tutti {

struct NcclOptions {
  int device = 0;  // of this rank
  // The module; empty: $TUTTI_NCCL_MODULE, or libtutti_nccl.so beside this program.
  std::filesystem::path module;
  double first_limit_s = 600, limit_s = 120, watch_every_s = 0.1;  // see DeviceOptions
  double abort_limit_s = 10;
  int64_t max_chunk_elements = int64_t{1} << 28;
};

// Bulk calls over NCCL on this rank's CUDA device, all others over `host`, which outlives it.
// Collective. A lost peer ends the whole job through host.abort() with the exit code of
// PeerLostError, after one line that names rank, host, step and collective. UsageError when the
// module or its libraries cannot be loaded, are of another major version than it was built with, or
// there is no such device. Ends with the other ranks in its destructor, unless an exception is in
// flight.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host,
                                                     const NcclOptions& options);

// UsageError when what was found does not fit what the module was built with: majors must be equal.
void check_versions(const nccl::Versions& versions);

}  // namespace tutti
