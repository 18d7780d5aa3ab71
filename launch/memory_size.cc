#include "launch/memory_size.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "dist/runtime/errors.h"

namespace tutti::launch {

int64_t memory_size(const char* option, const std::string& text) {
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(parsed.ptr, text.data() + text.size());
  std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return std::tolower(c); });
  int bits = -1;
  if (unit == "m" || unit == "mib") bits = 20;
  if (unit == "g" || unit == "gib") bits = 30;
  if (unit.empty() && number == 0) bits = 0;
  if (parsed.ec != std::errc() || bits < 0 || !(number >= 0 && number < 1e9)) {
    throw UsageError({"", option, "'" + text + "'", "a size such as 512M or 4G, or 0", ""});
  }
  return static_cast<int64_t>(std::ldexp(number, bits));
}

}  // namespace tutti::launch
