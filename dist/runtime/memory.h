#pragma once

#include <cstdint>

namespace tutti {

// The most physical memory that this process has held so far, in bytes.
int64_t peak_memory_bytes();

// Asks the C library to keep freed memory for the next allocation of its size instead of giving it
// back to the system: a program that makes the same large buffers step after step then pays for
// their pages once (a tenth of a training step otherwise). Where the C library knows no such wish,
// nothing happens.
void keep_freed_memory();

inline double to_gib(int64_t bytes) {
  return static_cast<double>(bytes) / (int64_t{1} << 30);
}

}  // namespace tutti
