#include "launch/level_codes.h"

#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {

std::vector<int64_t> codes_of_levels(const std::string& text, int levels) {
  const auto refuse = [&](const std::string& expected) {
    throw UsageError({"", "--num-codes", "'" + text + "'", expected, ""});
  };
  std::vector<int64_t> codes;
  for (const char *at = text.data(), *end = at + text.size();; ++at) {
    int64_t value = 0;
    const auto parsed = std::from_chars(at, end, value);
    if (parsed.ec != std::errc() || value < 1 || (parsed.ptr != end && *parsed.ptr != ',')) {
      refuse("numbers of at least 1, separated by commas");
    }
    codes.push_back(value);
    at = parsed.ptr;
    if (at == end) break;
  }
  if (codes.size() == 1) codes.resize(levels, codes[0]);
  if (std::ssize(codes) != levels)
    refuse(fmt::format("one number, or one for each of {} levels", levels));
  return codes;
}

}  // namespace tutti::launch
