#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace tutti::launch {

// A place in a JSON file of ours. What is missing or of another type is a DataError that names the
// file and the place ("blocks[0].rows[2].ranker"). Copies are cheap; the document must outlive it.
class JsonReader {
 public:
  // `written_by`: the command that makes such files, for errors: "tutti evaluate --json".
  JsonReader(const nlohmann::json& document, std::string file, std::string written_by)
      : node_(&document), file_(std::move(file)), written_by_(std::move(written_by)) {}

  bool has(const std::string& key) const { return node_->is_object() && node_->contains(key); }
  JsonReader at(const std::string& key) const;
  std::vector<JsonReader> elements() const;                         // of an array
  std::vector<std::pair<std::string, JsonReader>> members() const;  // of an object, keys sorted

  const nlohmann::json& json() const { return *node_; }
  std::string text() const;
  std::vector<std::string> texts() const;
  int64_t integer() const;
  double number() const;  // null, what JSON has for not finite: NaN
  std::vector<double> numbers() const;
  bool truth() const;

  [[noreturn]] void refuse(const std::string& expected) const;

 private:
  JsonReader child(const nlohmann::json& node, const std::string& step) const;

  const nlohmann::json* node_;
  std::string file_, written_by_, place_ = {};
};

// The JSON document of a file. DataError naming the byte where it is none.
nlohmann::json read_json(const std::string& file);

}  // namespace tutti::launch
