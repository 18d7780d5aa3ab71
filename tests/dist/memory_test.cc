#include "dist/runtime/memory.h"

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

}  // namespace
}  // namespace tutti
