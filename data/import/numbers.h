#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace tutti::data {

// The number that `text` is from its first to its last character, else nothing.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace tutti::data
