#pragma once

#include <filesystem>
#include <string>

#include <c10/core/Device.h>

#include "dist/communicator.h"

namespace tutti::trainer {

// Where CUDA is looked for; tests put other libraries there.
struct CudaLibraries {
  std::filesystem::path driver = "libcuda.so.1";
  std::filesystem::path torch = {};  // empty: libtorch_cuda.so beside the libtorch_cpu.so in use
};

// How many CUDA devices the driver shows to this process (it heeds CUDA_VISIBLE_DEVICES), and why
// there are none. Costs no CUDA context.
struct CudaDevices {
  int count = 0;
  std::string reason;
};
CudaDevices find_cuda_devices(const CudaLibraries& libraries = {});

// The device that this rank computes on: "cpu"; "cuda", the one that has the number of this rank
// among the ranks of its machine; "auto", cuda when every rank has such a device, else cpu. Says
// which and why. For CUDA it loads libtorch's CUDA part: call it before ATen is asked for anything
// of CUDA. Collective. UsageError on all ranks when one of them cannot have its device.
c10::Device choose_device(const std::string& name, Communicator& comm,
                          const CudaLibraries& libraries = {});

}  // namespace tutti::trainer
