// What libtutti_nccl.so exports.
#include <cstring>

#include <fmt/format.h>

#include "dist/nccl/nccl_collectives.h"
#include "dist/runtime/errors.h"

namespace tutti::nccl {
namespace {

void check_device(int device) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    throw UsageError(fmt::format("no CUDA device can be used: {}; train with --device cpu",
                                 cudaGetErrorString(error)));
  }
  if (device >= count) {
    throw UsageError(
        fmt::format("CUDA device {}: found {} device(s) on this machine, expected one for each of "
                    "its ranks; start fewer ranks here, or make more devices visible",
                    device, count));
  }
}

}  // namespace
}  // namespace tutti::nccl

extern "C" {

int tutti_nccl_abi() {
  return tutti::nccl::kAbi;
}

void tutti_nccl_versions(tutti::nccl::Versions* versions) {
  *versions = {.nccl_built = NCCL_VERSION_CODE, .cuda_built = CUDART_VERSION};
  ncclGetVersion(&versions->nccl_found);
  cudaRuntimeGetVersion(&versions->cuda_found);
}

void tutti_nccl_unique_id(tutti::nccl::UniqueId* id) {
  ncclUniqueId unique;
  const ncclResult_t result = ncclGetUniqueId(&unique);
  if (result != ncclSuccess) {
    throw std::runtime_error(std::string("ncclGetUniqueId: ") + ncclGetErrorString(result) + " (" +
                             ncclGetLastError(nullptr) + ")");
  }
  std::memcpy(id->data(), unique.internal, id->size());
}

void tutti_nccl_connect(const tutti::nccl::DeviceOptions& options,
                        std::unique_ptr<tutti::nccl::DeviceCollectives>* collectives) {
  tutti::nccl::check_device(options.device);
  *collectives = std::make_unique<tutti::nccl::NcclCollectives>(options);
}
}
