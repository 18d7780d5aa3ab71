// The two calls of the CUDA driver that count devices: $FAKE_CUDA_DEVICES of them, or, below zero,
// the error that cuInit answers.
#include <cstdlib>

namespace {
int number() {
  const char* value = std::getenv("FAKE_CUDA_DEVICES");
  return value == nullptr ? 0 : std::atoi(value);
}
}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names of the driver
extern "C" {
int cuInit(unsigned /*flags*/) {
  return number() < 0 ? -number() : 0;
}
int cuDeviceGetCount(int* count) {
  *count = number();
  return 0;
}
}
// NOLINTEND(readability-identifier-naming)
