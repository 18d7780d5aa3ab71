#include "launch/duration.h"

#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "dist/runtime/errors.h"

namespace tutti::launch {
namespace {

// 2.5h: a number and a unit.
std::optional<double> seconds_with_unit(const std::string& text) {
  static const std::map<std::string, double> kUnits = {
      {"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  double number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto unit = kUnits.find(std::string(end, text.data() + text.size()));
  if (problem != std::errc() || unit == kUnits.end() || !(number >= 0)) return std::nullopt;
  return number * unit->second;
}

// [D-][HH:]MM:SS, as Slurm writes it.
std::optional<double> seconds_with_colons(std::string text) {
  double days = 0;
  if (const size_t dash = text.find('-'); dash != std::string::npos) {
    const auto found = seconds_with_unit(text.substr(0, dash) + "d");
    if (!found) return std::nullopt;
    days = *found;
    text.erase(0, dash + 1);
  }
  double seconds = 0;
  int parts = 0;
  for (size_t begin = 0; begin <= text.size(); ++parts) {
    const size_t end = std::min(text.find(':', begin), text.size());
    int number = 0;
    const auto [rest, problem] = std::from_chars(text.data() + begin, text.data() + end, number);
    if (problem != std::errc() || rest != text.data() + end || number < 0) return std::nullopt;
    seconds = seconds * 60 + number;
    begin = end + 1;
  }
  if (parts < 2 || parts > 3) return std::nullopt;
  return days + seconds;
}

}  // namespace

std::chrono::milliseconds duration_of(const char* option, const std::string& text) {
  const auto seconds =
      text.find(':') == std::string::npos ? seconds_with_unit(text) : seconds_with_colons(text);
  if (!seconds || !(*seconds < 1e9)) {
    throw UsageError(
        Problem{"", option, "'" + text + "'", "a time such as 90s, 30m, 2h or 1-12:00:00", ""});
  }
  return std::chrono::milliseconds(std::llround(*seconds * 1000));
}

}  // namespace tutti::launch
