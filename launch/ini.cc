#include "launch/ini.h"

#include <fstream>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {

namespace {

std::string trimmed(const std::string& text) {
  const char* blanks = " \t\r";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace

std::vector<IniEntry> read_ini(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in || std::filesystem::is_directory(file)) {
    throw UsageError(Problem{.file = file.string(),
                             .place = "--config",
                             .found = "no readable file",
                             .expected = "an INI file of `option = value` lines",
                             .cure = {}});
  }
  std::vector<IniEntry> entries;
  std::string section;
  std::string raw;
  for (int line = 1; std::getline(in, raw); ++line) {
    const std::string text = trimmed(raw);
    if (text.empty() || text[0] == '#' || text[0] == ';') continue;
    if (text.front() == '[' && text.back() == ']') {
      section = trimmed(text.substr(1, text.size() - 2));
      continue;
    }
    const size_t equals = text.find('=');
    const std::string key = trimmed(text.substr(0, equals));
    if (equals == std::string::npos || key.empty()) {
      throw UsageError(Problem{.file = file.string(),
                               .place = fmt::format("line {}", line),
                               .found = "'" + text + "'",
                               .expected = "`option = value`, `[command]` or a # comment",
                               .cure = {}});
    }
    entries.push_back({section, key, trimmed(text.substr(equals + 1)), line});
  }
  return entries;
}

}  // namespace tutti::launch
