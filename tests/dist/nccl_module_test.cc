// The module as it is used: over the real NCCL and CUDA runtime, whether or not there is a device.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dist/nccl_communicator.h"
#include "dist/runtime/errors.h"

namespace tutti {
namespace {

TEST(NcclModule, LinksAndLoadsTheRealLibraries) {
  void* module = dlopen(TUTTI_NCCL_MODULE_PATH, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(module, nullptr) << dlerror();
  const auto symbol = [&](const char* name) {
    void* address = dlsym(module, name);
    EXPECT_NE(address, nullptr) << name;
    return address;
  };
  const auto abi = reinterpret_cast<nccl::AbiFunction*>(symbol(nccl::kAbiSymbol));
  const auto versions = reinterpret_cast<nccl::VersionsFunction*>(symbol(nccl::kVersionsSymbol));
  symbol(nccl::kUniqueIdSymbol);
  symbol(nccl::kConnectSymbol);
  EXPECT_EQ(abi(), nccl::kAbi);
  nccl::Versions found;
  versions(&found);
  EXPECT_GT(found.nccl_found, 20000);
  EXPECT_GT(found.cuda_found, 13000 - 1);
  EXPECT_NO_THROW(check_versions(found));
}

TEST(NcclModule, RefusesADeviceThatThisMachineDoesNotHave) {
  const auto host = make_single_communicator();
  try {
    make_nccl_communicator(*host, {.device = 1000, .module = TUTTI_NCCL_MODULE_PATH});
    FAIL() << "there is no such device";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::ContainsRegex("no CUDA device|CUDA device 1000: found"));
  }
}

TEST(NcclVersions, MajorsMustBeEqual) {
  const nccl::Versions same = {
      .nccl_built = 22809, .nccl_found = 22304, .cuda_built = 13000, .cuda_found = 13020};
  EXPECT_NO_THROW(check_versions(same));
  nccl::Versions other = same;
  other.nccl_found = 30000;
  EXPECT_THROW(check_versions(other), UsageError);
  other = same;
  other.cuda_found = 12080;
  EXPECT_THROW(check_versions(other), UsageError);
}

}  // namespace
}  // namespace tutti
