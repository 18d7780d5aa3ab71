#include "dist/runtime/errors.h"

#include <string_view>

#include <fmt/format.h>

namespace tutti {
namespace {

constexpr size_t kLongestPart = 300;  // bytes; a message that quotes a whole file helps nobody

// The text on one line: control characters as escapes, cut (not inside a UTF-8 character) when
// long.
std::string one_line(std::string_view text) {
  std::string_view shown = text;
  if (shown.size() > kLongestPart) {
    size_t end = kLongestPart;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    shown = text.substr(0, end);
  }
  std::string line;
  for (char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\t') {
      line += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  if (shown.size() < text.size()) line += fmt::format("... ({} bytes)", text.size());
  return line;
}

// `path` from the root of the source tree: messages show no folder of the machine that built us.
std::string_view within_source_tree(std::string_view path) {
  constexpr std::string_view kThisFile = "dist/runtime/errors.cc";
  std::string_view here = __FILE__;
  std::string_view root = here.substr(0, here.size() - kThisFile.size());
  return path.substr(0, root.size()) == root ? path.substr(root.size()) : path;
}

}  // namespace

std::string sentence(const Problem& problem) {
  std::string line;
  auto add = [&line](std::string_view separator, std::string_view lead, const std::string& part) {
    if (part.empty()) return;
    if (!line.empty()) line += separator;
    line += lead;
    line += one_line(part);
  };
  add("", "", problem.file);
  add(": ", "", problem.place);
  add(": ", "found ", problem.found);
  add(problem.found.empty() ? ": " : ", ", "expected ", problem.expected);
  add("; ", "", problem.cure);
  return line;
}

void fail_check(const char* expression, const std::string& message, std::source_location where) {
  throw std::logic_error(fmt::format("internal error: {}:{}: check `{}` failed{}{}",
                                     within_source_tree(where.file_name()), where.line(),
                                     expression, message.empty() ? "" : ": ", message));
}

}  // namespace tutti
