#pragma once

#include <string>
#include <vector>

#include "launch/option_value.h"

namespace tutti::launch {

// One option of a command, as Options keeps it.
struct OptionEntry {
  std::string name;  // without dashes
  std::string help;
  OptionTarget target;
  bool required = false, positional = false;
  std::vector<std::string> initial{};  // the default, as texts
  std::string bare{};                  // what the flag alone stands for; empty: it needs a value
  bool given = false;                  // set by a file, the environment or a flag
};

// A flag that is on unless --no-NAME is given.
bool is_on_by_default(const OptionEntry& entry);

// "N" for a number, "DATASET" for the positional "dataset"; a text whose help speaks of a folder or
// a file is a "DIR" or a "FILE".
std::string placeholder_of(const OptionEntry& entry);

// What `tutti COMMAND --help` prints: summary, usage, options with their defaults, example.
std::string help_text(const std::string& command, const std::string& summary,
                      const std::string& example, const std::vector<OptionEntry>& entries);

}  // namespace tutti::launch
