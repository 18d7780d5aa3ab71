#pragma once

#include <cstdint>
#include <string>

namespace tutti {

std::string host_name();

// What process numbers are unique in: this boot of this machine, and the namespace of process
// numbers of its container.
std::string process_space();

// When the process of this number was started, in clock ticks since boot: tells it from a later one
// that got its number. 0 when there is none in this process space, or only its zombie.
int64_t process_start(int64_t pid);

}  // namespace tutti
