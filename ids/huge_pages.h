#pragma once

#include <cstdint>
#include <vector>

namespace tutti::ids {

// A vector of `size` zeros that asks the system for large pages before it is touched: random rows
// of a table larger than the cache then cost no walk through the page table each.
std::vector<float> large_table(int64_t size);

}  // namespace tutti::ids
