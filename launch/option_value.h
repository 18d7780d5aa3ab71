#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

namespace tutti::launch {

// The variable of a command that an option sets.
using OptionTarget = std::variant<std::string*, bool*, int*, int64_t*, uint64_t*, double*,
                                  std::vector<std::string>*>;

// Sets the variable from what was written, strictly: the whole text must be a value of its type,
// and only a list takes several (a single empty text is the empty list). Returns "" or what was
// expected; the variable is untouched then.
std::string set_option(const OptionTarget& target, const std::vector<std::string>& texts);

// The variable's value as texts that set_option takes back: one, or one for each item of a list.
std::vector<std::string> option_texts(const OptionTarget& target);

nlohmann::json option_json(const OptionTarget& target);

// What stands for the value in a usage line: "N", "X", "TEXT"; "" for a flag.
std::string option_placeholder(const OptionTarget& target);

}  // namespace tutti::launch
