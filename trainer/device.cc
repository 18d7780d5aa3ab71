#include "trainer/device.h"

#include <dlfcn.h>

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/together.h"

namespace tutti::trainer {
namespace {

constexpr const char* kCpuInstead = "train with --device cpu";

// libtorch_cuda.so stands beside the libtorch_cpu.so that this program runs with.
std::filesystem::path torch_cuda_path(const CudaLibraries& libraries) {
  if (!libraries.torch.empty()) return libraries.torch;
  Dl_info info;
  // Any function of torch_cpu that is exported and not inlined.
  const auto* symbol = reinterpret_cast<const void*>(&at::globalContext);
  TUTTI_CHECK(dladdr(symbol, &info) != 0 && info.dli_fname != nullptr);
  return std::filesystem::path(info.dli_fname).parent_path() / "libtorch_cuda.so";
}

// Its static objects register kernels and hooks with ATen.
void load_torch_cuda(const std::filesystem::path& path) {
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return;
  throw UsageError(Problem{
      .file = path.string(),
      .place = "--device cuda",
      .found = dlerror(),
      .expected = "libtorch's CUDA part and the libraries it needs",
      .cure = std::string("build tutti against a torch wheel with CUDA, or ") + kCpuInstead});
}

c10::Device take_device(int index, const CudaLibraries& libraries) {
  const CudaDevices devices = find_cuda_devices(libraries);
  if (index >= devices.count) {
    const std::string found = devices.count == 0
                                  ? fmt::format("no CUDA device ({})", devices.reason)
                                  : fmt::format("{} CUDA device(s) on this machine", devices.count);
    throw UsageError(Problem{.file = "",
                             .place = "--device cuda",
                             .found = found,
                             .expected = fmt::format("a device for the machine's rank {}", index),
                             .cure = devices.count == 0
                                         ? kCpuInstead
                                         : "start fewer ranks here, or make more devices visible"});
  }
  const std::filesystem::path path = torch_cuda_path(libraries);
  load_torch_cuda(path);
  const int usable = at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0;
  if (index >= usable) {
    throw UsageError(Problem{.file = path.string(),
                             .place = "--device cuda",
                             .found = fmt::format("{} device(s) that it can use of the {} that the "
                                                  "driver shows",
                                                  usable, devices.count),
                             .expected = fmt::format("at least {}", index + 1),
                             .cure = std::string("update the NVIDIA driver, or ") + kCpuInstead});
  }
  const c10::Device device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
  c10::impl::getDeviceGuardImpl(c10::kCUDA)->setDevice(device);
  at::empty({1}, at::TensorOptions().device(device));  // fails here, not in the first step
  return device;
}

}  // namespace

CudaDevices find_cuda_devices(const CudaLibraries& libraries) {
  void* driver = dlopen(libraries.driver.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return {.count = 0, .reason = dlerror()};
  // CUresult cuInit(unsigned), CUresult cuDeviceGetCount(int*): 0 is success.
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto get_count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  if (init == nullptr || get_count == nullptr) {
    return {.count = 0, .reason = fmt::format("{} is no CUDA driver", libraries.driver.string())};
  }
  if (const int error = init(0); error != 0) {
    return {.count = 0, .reason = fmt::format("cuInit answers {}", error)};
  }
  CudaDevices devices;
  if (const int error = get_count(&devices.count); error != 0) {
    return {.count = 0, .reason = fmt::format("cuDeviceGetCount answers {}", error)};
  }
  if (devices.count == 0) devices.reason = "the driver shows none to this process";
  return devices;
}

c10::Device choose_device(const std::string& name, Communicator& comm,
                          const CudaLibraries& libraries) {
  if (name == "cpu") return c10::kCPU;
  const int index = comm.local_rank();
  if (name == "auto") {
    const CudaDevices devices = find_cuda_devices(libraries);
    const int64_t num_with = comm.sum(int64_t{index < devices.count ? 1 : 0});
    if (num_with < comm.size()) {
      log::info(fmt::format("--device auto: the CPU, since {} of {} rank(s) have a CUDA device{}",
                            num_with, comm.size(),
                            devices.reason.empty() ? "" : fmt::format(" ({})", devices.reason)));
      return c10::kCPU;
    }
  } else {
    TUTTI_CHECK(name == "cuda", name);
  }
  c10::Device device = c10::kCPU;
  run_together(comm, [&] { device = take_device(index, libraries); });
  log::info(fmt::format("--device {}: {}", name, device.str()));
  return device;
}

}  // namespace tutti::trainer
