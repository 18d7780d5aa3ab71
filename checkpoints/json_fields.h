#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace tutti::checkpoints {

// The fields of one JSON object, read one by one; a wrong one is a DataError that names file and
// field. A field that is null counts as absent, as in transformers. Without a value for absence the
// field must be there.
class JsonFields {
 public:
  // `origin`: the file, `place`: what in it, put before "field 'x'" ("model config, "). `document`
  // has to be an object.
  JsonFields(nlohmann::json document, std::string origin, std::string place = "");
  // A whole file. `expected` says what it should be ("the config of a BertModel").
  static JsonFields read(const std::filesystem::path& path, const std::string& expected,
                         const std::string& cure);

  const nlohmann::json* find(const std::string& field) const;  // nullptr when absent
  const nlohmann::json& at(const std::string& field, const std::string& expected) const;

  int64_t size(const std::string& field, std::optional<int64_t> absent = std::nullopt) const;
  double number(const std::string& field, std::optional<double> absent = std::nullopt) const;
  bool flag(const std::string& field, std::optional<bool> absent = std::nullopt) const;
  std::string text(const std::string& field,
                   std::optional<std::string> absent = std::nullopt) const;
  // The field is absent or has this value.
  void require(const std::string& field, const nlohmann::json& expected,
               const std::string& cure = "") const;

  [[noreturn]] void fail(const std::string& field, const std::string& expected,
                         const std::string& cure = "") const;

  const std::string& origin() const { return origin_; }

 private:
  nlohmann::json json_;
  std::string origin_, place_;
};

}  // namespace tutti::checkpoints
