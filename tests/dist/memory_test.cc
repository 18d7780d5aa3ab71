#include "dist/runtime/memory.h"

#include <malloc.h>

#include <cstdlib>
#include <vector>

#include <gtest/gtest.h>

namespace tutti {
namespace {

TEST(PeakMemory, GrowsWithWhatIsTouchedAndStaysAfterwards) {
  const int64_t before = peak_memory_bytes();
  constexpr int64_t kSize = int64_t{256} << 20;
  { const std::vector<char> touched(before + kSize, 1); }
  EXPECT_GE(peak_memory_bytes(), before + kSize);
}

#ifdef __GLIBC__
TEST(KeepFreedMemory, TakesLargeBuffersFromWhatWasFreedBefore) {
  keep_freed_memory();
  const auto held = [] {
    const auto info = mallinfo2();
    return info.arena + info.hblkhd;  // what the C library has from the system
  };
  constexpr size_t kSize = size_t{200} << 20;  // more than glibc would keep by itself
  const auto allocate = [] {
    void* const buffer = std::malloc(kSize);
    *static_cast<volatile char*>(buffer) = 1;  // the compiler would leave out an unused pair
    return buffer;
  };
  std::free(allocate());
  const size_t before = held();
  for (int i = 0; i < 3; ++i) {
    void* const buffer = allocate();
    EXPECT_EQ(held(), before) << "asked the system again";
    std::free(buffer);
    EXPECT_EQ(held(), before) << "gave it back";
  }
}
#endif

}  // namespace
}  // namespace tutti
