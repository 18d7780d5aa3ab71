#pragma once

#include <chrono>
#include <string>

namespace tutti::launch {

// "90" and "90s", "30m", "2.5h", "1d", and Slurm's "MM:SS", "HH:MM:SS", "D-HH:MM:SS" as a length of
// time. UsageError naming the option for anything else.
std::chrono::milliseconds duration_of(const char* option, const std::string& text);

}  // namespace tutti::launch
