#pragma once

#include <string_view>

// The log goes to standard error; results go to standard output. Lines of one rank are prefixed
// with it when there is more than one.
namespace tutti::log {

enum class Level { kDebug, kInfo, kWarn, kError };

// Call once at the start, from the main thread. Ranks other than 0 print warnings and errors only
// (all_ranks() prints always).
void init(int rank, int world_size, Level level = Level::kInfo);

void debug(std::string_view message);
void info(std::string_view message);       // rank 0 only
void all_ranks(std::string_view message);  // info from every rank
void warn(std::string_view message);
void error(std::string_view message);

}  // namespace tutti::log
