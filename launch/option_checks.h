#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

// Bounds of option values, checked before any work: each throws a UsageError that names the option,
// the value and what would have been fine.
namespace tutti::launch {

void require_at_least(const char* option, int64_t value, int64_t least);
void require_share(const char* option, double value);  // from 0 to below 1
void require_one_of(const char* option, const std::string& value,
                    std::initializer_list<const char*> known);

}  // namespace tutti::launch
