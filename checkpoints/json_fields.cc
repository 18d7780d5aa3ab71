#include "checkpoints/json_fields.h"

#include <cmath>
#include <fstream>
#include <utility>

#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

using nlohmann::json;

JsonFields::JsonFields(json document, std::string origin, std::string place)
    : json_(std::move(document)), origin_(std::move(origin)), place_(std::move(place)) {
  if (!json_.is_object()) json_ = json::object();
}

JsonFields JsonFields::read(const std::filesystem::path& path, const std::string& expected,
                            const std::string& cure) {
  std::ifstream in(path, std::ios::binary);
  json document = in ? json::parse(in, nullptr, /*allow_exceptions=*/false) : json();
  if (document.is_object()) return {std::move(document), path.string()};
  throw DataError(Problem{.file = path.string(),
                          .place = {},
                          .found = in ? "a file that is no JSON object" : "no such file",
                          .expected = expected,
                          .cure = cure});
}

void JsonFields::fail(const std::string& field, const std::string& expected,
                      const std::string& cure) const {
  constexpr size_t kLongest = 200;  // a message is one line
  const json* value = find(field);
  std::string found = "nothing";
  if (value != nullptr) {
    found = value->dump(-1, ' ', false, json::error_handler_t::replace);
    if (found.size() > kLongest) found = found.substr(0, kLongest) + "...";
  }
  throw DataError(Problem{.file = origin_,
                          .place = place_ + "field '" + field + "'",
                          .found = found,
                          .expected = expected,
                          .cure = cure});
}

const json* JsonFields::find(const std::string& field) const {
  const auto found = json_.find(field);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

const json& JsonFields::at(const std::string& field, const std::string& expected) const {
  const json* value = find(field);
  if (value == nullptr) fail(field, expected);
  return *value;
}

int64_t JsonFields::size(const std::string& field, std::optional<int64_t> absent) const {
  // Beyond this no matrix of two such sizes would fit 63 bits of bytes.
  constexpr int64_t kLargest = int64_t{1} << 30;
  const json* value = find(field);
  if (value == nullptr && absent) return *absent;
  if (value == nullptr || !value->is_number_integer() ||
      (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(kLargest)) ||
      value->get<int64_t>() <= 0) {
    fail(field, "a positive integer");
  }
  return value->get<int64_t>();
}

double JsonFields::number(const std::string& field, std::optional<double> absent) const {
  const json* value = find(field);
  if (value == nullptr && absent) return *absent;
  if (value == nullptr || !value->is_number() || !(value->get<double>() > 0) ||
      !std::isfinite(value->get<double>())) {
    fail(field, "a positive number");
  }
  return value->get<double>();
}

bool JsonFields::flag(const std::string& field, std::optional<bool> absent) const {
  const json* value = find(field);
  if (value == nullptr && absent) return *absent;
  if (value == nullptr || !value->is_boolean()) fail(field, "true or false");
  return value->get<bool>();
}

std::string JsonFields::text(const std::string& field, std::optional<std::string> absent) const {
  const json* value = find(field);
  if (value == nullptr && absent) return *absent;
  if (value == nullptr || !value->is_string()) fail(field, "a text");
  return value->get<std::string>();
}

void JsonFields::require(const std::string& field, const json& expected,
                         const std::string& cure) const {
  const json* value = find(field);
  if (value != nullptr && *value != expected) fail(field, expected.dump(), cure);
}

}  // namespace tutti::checkpoints
