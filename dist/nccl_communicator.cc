#include "dist/nccl_communicator.h"

#include <dlfcn.h>

#include <cstdlib>
#include <exception>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/runtime/process.h"

namespace tutti {
namespace {

// The loaded module. It stays loaded: NCCL's threads may outlive a communicator.
class Module {
 public:
  explicit Module(const std::filesystem::path& path) : path_(path) {
    handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
      throw UsageError(Problem{.file = path.string(),
                               .place = "",
                               .found = dlerror(),
                               .expected = "tutti's NCCL module",
                               .cure = "build tutti against a torch wheel with CUDA, or train with "
                                       "--device cpu"});
    }
    if (symbol<nccl::AbiFunction>(nccl::kAbiSymbol)() != nccl::kAbi) {
      throw UsageError(Problem{.file = path.string(),
                               .place = "",
                               .found = "a module of another build",
                               .expected = "the one built with this program",
                               .cure = "build again"});
    }
  }

  template <typename Function>
  Function* symbol(const char* name) const {
    void* address = dlsym(handle_, name);
    if (address == nullptr) {
      throw UsageError(Problem{.file = path_.string(),
                               .place = "",
                               .found = fmt::format("no symbol {}", name),
                               .expected = "the module built with this program",
                               .cure = "build again"});
    }
    return reinterpret_cast<Function*>(address);
  }

 private:
  std::filesystem::path path_;
  void* handle_ = nullptr;
};

std::filesystem::path module_path(const NcclOptions& options) {
  if (!options.module.empty()) return options.module;
  if (const char* path = std::getenv("TUTTI_NCCL_MODULE")) return path;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libtutti_nccl.so";
}

std::string nccl_version(int code) {
  return fmt::format("{}.{}.{}", code / 10000, code / 100 % 100, code % 100);
}
std::string cuda_version(int code) {
  return fmt::format("{}.{}", code / 1000, code / 10 % 100);
}

class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator(Communicator& host, const NcclOptions& options)
      : host_(host),
        exceptions_at_start_(std::uncaught_exceptions()),
        module_(module_path(options)) {
    nccl::Versions versions;
    module_.symbol<nccl::VersionsFunction>(nccl::kVersionsSymbol)(&versions);
    check_versions(versions);
    nccl::DeviceOptions device = {.rank = host.rank(),
                                  .size = host.size(),
                                  .device = options.device,
                                  .host = host_name(),
                                  .first_limit_s = options.first_limit_s,
                                  .limit_s = options.limit_s,
                                  .abort_limit_s = options.abort_limit_s,
                                  .watch_every_s = options.watch_every_s,
                                  .max_chunk_elements = options.max_chunk_elements,
                                  .on_failure = [&host](const std::string& message) {
                                    log::error(message);
                                    host.abort(static_cast<int>(ExitCode::kPeerLost));
                                  }};
    if (host.is_root()) {
      module_.symbol<nccl::UniqueIdFunction>(nccl::kUniqueIdSymbol)(&device.id);
    }
    host.broadcast(device.id.data(), std::ssize(device.id), 0);
    module_.symbol<nccl::ConnectFunction>(nccl::kConnectSymbol)(device, &device_);
    log::info(fmt::format("NCCL {} (built for {}), CUDA runtime {} (built for {})",
                          nccl_version(versions.nccl_found), nccl_version(versions.nccl_built),
                          cuda_version(versions.cuda_found), cuda_version(versions.cuda_built)));
  }

  ~NcclCommunicator() override {
    if (std::uncaught_exceptions() > exceptions_at_start_) return;
    try {
      device_->shutdown();
    } catch (const std::exception& error) {
      log::error(fmt::format("NCCL did not end well: {}", error.what()));
    }
  }

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  int local_rank() const override { return host_.local_rank(); }

  void all_reduce(void* data, int64_t count, DType type, ReduceOp op) override {
    host_.all_reduce(data, count, type, op);
  }
  void broadcast(void* data, int64_t num_bytes, int root) override {
    host_.broadcast(data, num_bytes, root);
  }
  void all_gather_bytes(const void* mine, void* all, std::span<const int64_t> counts) override {
    host_.all_gather_bytes(mine, all, counts);
  }
  void barrier() override { host_.barrier(); }
  [[noreturn]] void abort(int exit_code) override {
    host_.abort(exit_code);
    std::_Exit(exit_code);  // not reached; GCC does not trust a virtual call
  }

  void start_all_reduce_sum(float* data, int64_t count) override {
    device_->all_reduce_sum(data, count);
  }
  void start_reduce_scatter_sum(float* data, std::span<const int64_t> split) override {
    device_->reduce_scatter_sum(data, split);
  }
  void start_all_gather(float* data, std::span<const int64_t> split) override {
    device_->all_gather(data, split);
  }
  void wait_for_bulk() override { device_->wait(); }
  BulkTimes take_bulk_times() override { return device_->take_times(); }
  void set_step(int64_t step) override {
    host_.set_step(step);
    device_->set_step(step);
  }

 private:
  Communicator& host_;
  const int exceptions_at_start_;
  Module module_;
  std::unique_ptr<nccl::DeviceCollectives> device_;
};

}  // namespace

void check_versions(const nccl::Versions& versions) {
  if (versions.nccl_found / 10000 != versions.nccl_built / 10000) {
    throw UsageError(Problem{.file = "",
                             .place = "NCCL",
                             .found = "version " + nccl_version(versions.nccl_found),
                             .expected = fmt::format("{}.x", versions.nccl_built / 10000),
                             .cure = "let the loader find the NCCL of the torch wheel first"});
  }
  if (versions.cuda_found / 1000 != versions.cuda_built / 1000) {
    throw UsageError(
        Problem{.file = "",
                .place = "CUDA runtime",
                .found = "version " + cuda_version(versions.cuda_found),
                .expected = fmt::format("{}.x", versions.cuda_built / 1000),
                .cure = "let the loader find the CUDA runtime of the torch wheel first"});
  }
}

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host,
                                                     const NcclOptions& options) {
  return std::make_unique<NcclCommunicator>(host, options);
}

}  // namespace tutti
