#pragma once

#include <cstdint>
#include <string>

namespace tutti::launch {

// "512M", "4G", "4GiB", "1.5g" (binary units) as bytes; "0" as 0. UsageError naming the option for
// anything else.
int64_t memory_size(const char* option, const std::string& text);

}  // namespace tutti::launch
