#pragma once

#include <cstdint>

namespace tutti {

// The most physical memory that this process has held so far, in bytes.
int64_t peak_memory_bytes();

}  // namespace tutti
