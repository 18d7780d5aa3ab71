#include "ids/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace tutti::ids {

std::vector<float> large_table(int64_t size) {
  std::vector<float> table;
  table.reserve(size);
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t kPage = 4096;
  const auto begin = reinterpret_cast<uintptr_t>(table.data());
  const uintptr_t first = (begin + kPage - 1) / kPage * kPage;
  const uintptr_t last = (begin + static_cast<uintptr_t>(size) * sizeof(float)) / kPage * kPage;
  // An advice: where the system does not take it, pages are small.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
  table.resize(size);
  return table;
}

}  // namespace tutti::ids
