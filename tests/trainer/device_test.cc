// Which device a rank gets, with a driver that is made for the test (fake_cuda_driver.cc).
#include "trainer/device.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/thread_communicator.h"

namespace tutti::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A machine whose driver shows so many devices.
class Machine {
 public:
  explicit Machine(int num_devices) {
    setenv("FAKE_CUDA_DEVICES", std::to_string(num_devices).c_str(), 1);
  }
  ~Machine() { unsetenv("FAKE_CUDA_DEVICES"); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
};

CudaLibraries libraries(const std::string& torch = "/nowhere/libtorch_cuda.so") {
  return {.driver = TUTTI_FAKE_CUDA_DRIVER, .torch = torch};
}

std::string refusal(const CudaLibraries& from, int num_ranks = 1) {
  std::vector<std::string> messages(static_cast<size_t>(num_ranks));
  run_ranks(num_ranks, [&](Communicator& comm) {
    try {
      choose_device("cuda", comm, from);
      ADD_FAILURE() << "a device was found";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      messages[static_cast<size_t>(comm.rank())] = error.what();
    }
  });
  for (const std::string& message : messages) EXPECT_EQ(message, messages[0]);
  return messages[0];
}

TEST(CudaDevices, AreCountedByTheDriver) {
  const Machine machine(3);
  EXPECT_EQ(find_cuda_devices(libraries()).count, 3);
}

TEST(CudaDevices, AreNoneWithAReasonWithoutADriver) {
  EXPECT_THAT(find_cuda_devices({.driver = "/nowhere/libcuda.so.1"}).reason,
              HasSubstr("/nowhere/libcuda.so.1"));
  EXPECT_THAT(find_cuda_devices({.driver = "libm.so.6"}).reason,
              HasSubstr("libm.so.6 is no CUDA driver"));
  {
    const Machine machine(-100);
    EXPECT_THAT(find_cuda_devices(libraries()).reason, HasSubstr("cuInit answers 100"));
  }
  const Machine machine(0);
  EXPECT_THAT(find_cuda_devices(libraries()).reason, HasSubstr("shows none"));
}

TEST(ChooseDevice, TheCpuWhenAskedFor) {
  const auto comm = make_single_communicator();
  EXPECT_EQ(choose_device("cpu", *comm, {.driver = "/nowhere"}), c10::kCPU);
}

TEST(ChooseDevice, AutoTakesTheCpuOnAllRanksWhenOneHasNoDevice) {
  const Machine machine(1);
  run_ranks(2, [&](Communicator& comm) {
    EXPECT_EQ(choose_device("auto", comm, libraries()), c10::kCPU);
  });
}

TEST(ChooseDevice, CudaIsRefusedWithoutADevice) {
  EXPECT_THAT(refusal({.driver = "/nowhere/libcuda.so.1"}),
              AllOf(HasSubstr("no CUDA device (/nowhere/libcuda.so.1"),
                    HasSubstr("train with --device cpu")));
}

TEST(ChooseDevice, CudaIsRefusedOnAllRanksWhenTheDriverShowsNone) {
  const Machine machine(0);
  EXPECT_THAT(refusal(libraries(), 2), HasSubstr("expected a device for the machine's rank 0"));
}

TEST(ChooseDevice, AMissingLibraryOfTorchIsNamed) {
  const Machine machine(2);
  EXPECT_THAT(refusal(libraries()),
              AllOf(HasSubstr("/nowhere/libtorch_cuda.so"), HasSubstr("a torch wheel with CUDA")));
}

// The real library, which registers itself with ATen; no device is visible to it.
TEST(ChooseDevice, LoadsTheCudaPartOfTorchAndRefusesADeviceThatItCannotUse) {
  const Machine machine(2);
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  const std::string message = refusal(libraries(/*torch=*/""));
  EXPECT_THAT(message, HasSubstr("libtorch_cuda.so"));
  if (message.find("torch wheel with CUDA") == std::string::npos) {  // a torch with CUDA
    EXPECT_THAT(message, HasSubstr("found 0 device(s) that it can use of the 2"));
    EXPECT_TRUE(c10::impl::hasDeviceGuardImpl(c10::kCUDA)) << "the library is not registered";
  }
}

}  // namespace
}  // namespace tutti::trainer
