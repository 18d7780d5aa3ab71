#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <unordered_map>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/tokenizers/added_tokens.h"

namespace tutti::data {

// One step of a tokenizer.json with where it stands in the file, for messages.
class JsonStep {
 public:
  JsonStep(const nlohmann::json& json, std::string place, const std::string& origin)
      : json_(json), place_(std::move(place)), origin_(origin) {}

  // DataError: what is found at a field of the step (or "" for the step itself), and what is right.
  [[noreturn]] void fail(const std::string& field, const std::string& expected,
                         const std::string& cure = "") const;

  const nlohmann::json* find(const char* field) const;  // null counts as absent
  JsonStep inner(const char* field) const;              // an object; fails when there is none
  std::vector<JsonStep> list(const char* field) const;  // of an array; empty when absent
  std::string type() const;                             // the field "type"
  bool flag(const char* field, bool absent) const;
  int64_t whole(const char* field, int64_t absent) const;  // >= 0
  std::string text(const char* field, const std::string& absent) const;
  // The field is absent or null, or is one of these.
  void require(const char* field, std::initializer_list<nlohmann::json> allowed) const;
  const nlohmann::json& raw() const { return json_; }

 private:
  const nlohmann::json& json_;
  std::string place_;
  const std::string& origin_;
};

// Pieces by spelling. DataError when an id is given twice or lies far beyond the number of pieces.
using Vocabulary = std::unordered_map<std::string, int32_t>;
Vocabulary read_vocabulary(const JsonStep& model);
std::vector<AddedToken> read_added_tokens(const JsonStep& file);

// Ids that the "post_processor" puts around a single text.
struct AroundText {
  std::vector<int32_t> before, after;
};
AroundText read_post_processor(const JsonStep& file);

}  // namespace tutti::data
