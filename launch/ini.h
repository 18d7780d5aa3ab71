#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tutti::launch {

// One `key = value` line of an INI file.
struct IniEntry {
  std::string section;  // "" before the first [section]
  std::string key;
  std::string value;  // without surrounding blanks
  int line;           // from 1
};

// Reads an INI file: `key = value`, `[section]`, blank lines, and comments on lines of their own
// that start with # or ; (a value may hold either). UsageError that names the line.
std::vector<IniEntry> read_ini(const std::filesystem::path& file);

}  // namespace tutti::launch
