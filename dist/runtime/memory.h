#pragma once

#include <cstdint>

namespace tutti {

// The most physical memory that this process has held so far, in bytes.
int64_t peak_memory_bytes();

inline double to_gib(int64_t bytes) {
  return static_cast<double>(bytes) / (int64_t{1} << 30);
}

}  // namespace tutti
