#include "launch/json_reader.h"

#include <fstream>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {
namespace {

// A value as an error shows it: short.
std::string shown(const nlohmann::json& value) {
  constexpr size_t kMost = 40;
  std::string text =
      value.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return text;
}

}  // namespace

JsonReader JsonReader::child(const nlohmann::json& node, const std::string& step) const {
  JsonReader reader(node, file_, written_by_);
  reader.place_ = place_ + step;
  return reader;
}

JsonReader JsonReader::at(const std::string& key) const {
  if (!node_->is_object()) refuse("an object");
  const auto found = node_->find(key);
  if (found == node_->end()) {
    throw DataError({file_, place_, fmt::format("no '{}'", key), "a file of " + written_by_, ""});
  }
  return child(*found, place_.empty() ? key : "." + key);
}

std::vector<JsonReader> JsonReader::elements() const {
  if (!node_->is_array()) refuse("a list");
  std::vector<JsonReader> readers;
  for (size_t i = 0; i < node_->size(); ++i) {
    readers.push_back(child((*node_)[i], fmt::format("[{}]", i)));
  }
  return readers;
}

std::vector<std::pair<std::string, JsonReader>> JsonReader::members() const {
  if (!node_->is_object()) refuse("an object");
  std::vector<std::pair<std::string, JsonReader>> readers;
  for (const auto& [key, value] : node_->items()) {
    readers.emplace_back(key, child(value, place_.empty() ? key : "." + key));
  }
  return readers;
}

std::string JsonReader::text() const {
  if (!node_->is_string()) refuse("a text");
  return node_->get<std::string>();
}

std::vector<std::string> JsonReader::texts() const {
  std::vector<std::string> values;
  for (const auto& element : elements()) values.push_back(element.text());
  return values;
}

int64_t JsonReader::integer() const {
  if (!node_->is_number_integer()) refuse("a whole number");
  return node_->get<int64_t>();
}

double JsonReader::number() const {
  if (node_->is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!node_->is_number()) refuse("a number");
  return node_->get<double>();
}

std::vector<double> JsonReader::numbers() const {
  std::vector<double> values;
  for (const auto& element : elements()) values.push_back(element.number());
  return values;
}

bool JsonReader::truth() const {
  if (!node_->is_boolean()) refuse("true or false");
  return node_->get<bool>();
}

void JsonReader::refuse(const std::string& expected) const {
  throw DataError({file_, place_, shown(*node_), expected + ", as " + written_by_ + " writes", ""});
}

nlohmann::json read_json(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw DataError({file, "", "no file that can be read", "a JSON file", ""});
  try {
    return nlohmann::json::parse(in);
  } catch (const nlohmann::json::parse_error& error) {
    throw DataError(
        {file, fmt::format("byte {}", error.byte), "what is no JSON", "a JSON file", ""});
  }
}

}  // namespace tutti::launch
