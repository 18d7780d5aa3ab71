#include "launch/option_checks.h"

#include <algorithm>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {

void require_at_least(const char* option, int64_t value, int64_t least) {
  if (value >= least) return;
  throw UsageError(
      Problem{"", option, std::to_string(value), fmt::format("at least {}", least), ""});
}

void require_share(const char* option, double value) {
  if (value >= 0 && value < 1) return;
  throw UsageError(Problem{"", option, fmt::format("{}", value), "a share from 0 to below 1", ""});
}

void require_one_of(const char* option, const std::string& value,
                    std::initializer_list<const char*> known) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  std::string names;
  for (const char* name : known) names += (names.empty() ? "" : " or ") + std::string(name);
  throw UsageError(Problem{"", option, value, names, ""});
}

}  // namespace tutti::launch
