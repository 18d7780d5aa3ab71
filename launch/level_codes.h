#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tutti::launch {

// --num-codes, "256" or "256,256,64", as one number a level. UsageError naming it.
std::vector<int64_t> codes_of_levels(const std::string& text, int levels);

}  // namespace tutti::launch
