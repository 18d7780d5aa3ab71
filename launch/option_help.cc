#include "launch/option_help.h"

#include <cctype>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tutti::launch {

namespace {

constexpr size_t kWidth = 100;
constexpr size_t kHelpColumn = 28;

// `text` broken at blanks to lines of kWidth, each but the first indented.
std::string wrapped(const std::string& text, size_t indent) {
  std::istringstream words(text);
  std::string word;
  std::string lines;
  size_t column = indent;
  while (words >> word) {
    if (column + word.size() + 1 > kWidth) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
  }
  return lines;
}

std::string default_of(const OptionEntry& entry) {
  if (entry.required) return entry.positional ? "" : "(required)";
  if (is_on_by_default(entry))
    return fmt::format("(default: on; --no-{} turns it off)", entry.name);
  if (std::holds_alternative<bool*>(entry.target)) return "";
  const std::string value = fmt::format("{}", fmt::join(entry.initial, ", "));
  return value.empty() ? "" : "(default: " + value + ")";
}

std::string option_line(const OptionEntry& entry) {
  std::string line = entry.positional ? "  " + placeholder_of(entry) : "  --" + entry.name;
  if (!entry.positional && !placeholder_of(entry).empty()) line += " " + placeholder_of(entry);
  const std::string indent(kHelpColumn, ' ');
  line = line.size() + 2 > kHelpColumn ? line + "\n" + indent
                                       : line + std::string(kHelpColumn - line.size(), ' ');
  return line + wrapped(entry.help + " " + default_of(entry), kHelpColumn) + "\n";
}

std::string usage_line(const std::string& command, const std::vector<OptionEntry>& entries) {
  std::string line = "usage: tutti " + command;
  for (const OptionEntry& entry : entries) {
    if (!entry.required) continue;
    const std::string value = placeholder_of(entry);
    line += entry.positional ? " " + value : fmt::format(" --{} {}", entry.name, value);
    if (entry.positional && std::holds_alternative<std::vector<std::string>*>(entry.target)) {
      line += "...";
    }
  }
  return line + " [options]\n";
}

}  // namespace

bool is_on_by_default(const OptionEntry& entry) {
  return std::holds_alternative<bool*>(entry.target) && entry.initial.size() == 1 &&
         entry.initial[0] == "true";
}

std::string placeholder_of(const OptionEntry& entry) {
  if (!entry.positional) {
    std::string word = option_placeholder(entry.target);
    if (word != "TEXT") return word;
    if (entry.help.find("folder") != std::string::npos) return "DIR";
    return entry.help.find("file") != std::string::npos ? "FILE" : word;
  }
  std::string upper;
  for (const char c : entry.name) {
    upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return upper;
}

std::string help_text(const std::string& command, const std::string& summary,
                      const std::string& example, const std::vector<OptionEntry>& entries) {
  std::string text = wrapped(fmt::format("tutti {}: {}", command, summary), 0) + "\n\n";
  text += usage_line(command, entries) + "\n";
  for (const OptionEntry& entry : entries) text += option_line(entry);
  text +=
      "\nOptions may also stand in an INI file (--config FILE) or in the environment "
      "(TUTTI_SEED for --seed);\nflags win over the environment, the environment over the "
      "file.\n";
  return text + "\nexample:\n  " + example + "\n";
}

}  // namespace tutti::launch
