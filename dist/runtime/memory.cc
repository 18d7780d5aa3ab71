#include "dist/runtime/memory.h"

#include <malloc.h>
#include <sys/resource.h>

#include <fstream>
#include <string>

namespace tutti {

int64_t peak_memory_bytes() {
  // Linux says it in /proc; getrusage also counts what ran in the process before exec.
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key; std::getline(status, key)) {
    int64_t kib = 0;
    if (key == "VmHWM:" && status >> kib) return kib * 1024;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);         // a mapping of its own would go with the buffer
  mallopt(M_TRIM_THRESHOLD, -1);  // the end of the heap is never given back
#endif
}

}  // namespace tutti
