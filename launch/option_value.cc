#include "launch/option_value.h"

#include <charconv>
#include <cmath>
#include <type_traits>

#include <fmt/format.h>

namespace tutti::launch {

namespace {

template <typename T>
bool read_number(const std::string& text, T* value) {
  const char* end = text.data() + text.size();
  T number{};
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return false;
  *value = number;
  return true;
}

std::string read_one(const std::string& text, std::string* value) {
  *value = text;
  return "";
}

std::string read_one(const std::string& text, bool* value) {
  const bool yes = text == "true" || text == "1" || text == "yes" || text == "on";
  const bool no = text == "false" || text == "0" || text == "no" || text == "off";
  if (!yes && !no) return "true or false";
  *value = yes;
  return "";
}

std::string read_one(const std::string& text, double* value) {
  double number = 0;
  if (!read_number(text, &number) || !std::isfinite(number)) return "a number";
  *value = number;
  return "";
}

template <typename T>
std::string read_one(const std::string& text, T* value) {
  if (read_number(text, value)) return "";
  const std::string range =
      fmt::format("{} to {}", std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
  return "a whole number, " + range;
}

}  // namespace

std::string set_option(const OptionTarget& target, const std::vector<std::string>& texts) {
  if (const auto* list = std::get_if<std::vector<std::string>*>(&target)) {
    **list = texts;
    if (texts.size() == 1 && texts[0].empty()) (*list)->clear();
    return "";
  }
  if (texts.size() != 1) return "one value";
  return std::visit(
      [&](auto* value) -> std::string {
        if constexpr (std::is_same_v<decltype(value), std::vector<std::string>*>) {
          return "";
        } else {
          return read_one(texts[0], value);
        }
      },
      target);
}

std::vector<std::string> option_texts(const OptionTarget& target) {
  return std::visit(
      [](const auto* value) -> std::vector<std::string> {
        if constexpr (std::is_same_v<decltype(value), const std::vector<std::string>*>) {
          return *value;
        } else {
          return {fmt::format("{}", *value)};
        }
      },
      target);
}

nlohmann::json option_json(const OptionTarget& target) {
  return std::visit([](const auto* value) { return nlohmann::json(*value); }, target);
}

std::string option_placeholder(const OptionTarget& target) {
  if (std::holds_alternative<bool*>(target)) return "";
  if (std::holds_alternative<double*>(target)) return "X";
  const bool text = std::holds_alternative<std::string*>(target) ||
                    std::holds_alternative<std::vector<std::string>*>(target);
  return text ? "TEXT" : "N";
}

}  // namespace tutti::launch
