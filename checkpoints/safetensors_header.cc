#include "checkpoints/safetensors_header.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors_format.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

using nlohmann::json;

struct Entry {
  std::string name;
  std::optional<TensorType> type;
  std::optional<std::vector<uint64_t>> shape, offsets;
};

std::string type_names() {
  std::vector<std::string> names;
  for (const TypeInfo& info : kTypes) names.emplace_back(info.name);
  return fmt::format("one of {}", fmt::join(names, ", "));
}

// Accepts exactly the shape of a safetensors header, event by event: a tree would have dropped
// duplicate names before anyone could see them.
class HeaderEvents final : public nlohmann::json_sax<json> {
 public:
  explicit HeaderEvents(const std::string& path) : path_(path) {}

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a number that is not a whole 64-bit number");
  }
  bool binary(binary_t&) override { return unexpected("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (where_ != Where::kList) return unexpected("a number");
    list_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (where_ == Where::kMetadata) {
      metadata[key_] = value;
      return true;
    }
    if (where_ != Where::kEntry || key_ != "dtype") return unexpected("a string");
    const auto* known = std::find_if(kTypes.begin(), kTypes.end(),
                                     [&](const TypeInfo& info) { return value == info.name; });
    if (known == kTypes.end()) fail("dtype '" + value + "'", type_names());
    entries.back().type = known->type;
    return true;
  }

  bool start_object(std::size_t) override {
    if (where_ == Where::kOutside) {
      where_ = Where::kTop;
    } else if (where_ == Where::kTop) {
      where_ = key_ == kMetadataKey ? Where::kMetadata : Where::kEntry;
      if (where_ == Where::kEntry)
        entries.push_back({.name = key_, .type = {}, .shape = {}, .offsets = {}});
      inner_keys_.clear();
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    auto& taken = where_ == Where::kTop ? names_ : inner_keys_;
    key_ = value;
    if (where_ == Where::kTop) name_ = value;
    if (!taken.insert(value).second) fail("name '" + value + "' twice", "every name once");
    if (where_ == Where::kEntry && value != "dtype" && value != "shape" &&
        value != "data_offsets") {
      fail("field '" + value + "'", "dtype, shape, data_offsets");
    }
    return true;
  }

  bool end_object() override {
    if (where_ == Where::kEntry) {
      const Entry& entry = entries.back();
      if (!entry.type || !entry.shape || !entry.offsets) {
        fail("an incomplete entry", "dtype, shape and data_offsets");
      }
      if (entry.offsets->size() != 2) {
        fail(fmt::format("{} data_offsets", entry.offsets->size()), "2, begin and end");
      }
    }
    where_ = where_ == Where::kTop ? Where::kOutside : Where::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (where_ != Where::kEntry || key_ == "dtype") return unexpected("an array");
    auto& slot = key_ == "shape" ? entries.back().shape : entries.back().offsets;
    list_ = &slot.emplace();
    where_ = Where::kList;
    return true;
  }

  bool end_array() override {
    where_ = Where::kEntry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    std::string what = error.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    throw DataError(Problem{.file = path_,
                            .place = fmt::format("header byte {}", position),
                            .found = "a header that is not UTF-8 JSON (" + what + ")",
                            .expected = "a JSON object",
                            .cure = {}});
  }

  [[noreturn]] void fail(const std::string& found, const std::string& expected) const {
    throw DataError(Problem{.file = path_,
                            .place = name_.empty() ? "header" : fmt::format("entry '{}'", name_),
                            .found = found,
                            .expected = expected,
                            .cure = {}});
  }

 private:
  enum class Where { kOutside, kTop, kMetadata, kEntry, kList };

  bool unexpected(const char* found) const {
    switch (where_) {
      case Where::kOutside:
      case Where::kTop:
        fail(found, "an object");
      case Where::kMetadata:
        fail(found, "a string: metadata maps strings to strings");
      case Where::kList:
        fail(found, "whole numbers");
      case Where::kEntry:
        break;
    }
    fail(fmt::format("{} as {}", found, key_),
         key_ == "dtype" ? "a string" : "an array of whole numbers");
  }

  const std::string& path_;
  Where where_ = Where::kOutside;
  std::string name_, key_;
  std::set<std::string> names_, inner_keys_;
  std::vector<uint64_t>* list_ = nullptr;
};

class Checker {
 public:
  Checker(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  // The header's JSON, without padding.
  std::string_view json_text() const {
    if (bytes_.size() < 8) {
      fail("header", fmt::format("{} bytes", bytes_.size()), "at least 8: the header's length");
    }
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) {
      length = length << 8 | static_cast<unsigned char>(bytes_[static_cast<size_t>(i)]);
    }
    if (length > static_cast<uint64_t>(kMaxHeaderBytes)) {
      fail("header", fmt::format("a length of {} bytes", length),
           fmt::format("at most {}", kMaxHeaderBytes));
    }
    if (length > bytes_.size() - 8) {
      fail("header", fmt::format("a length of {} bytes", length),
           fmt::format("at most the {} bytes that follow in the file", bytes_.size() - 8));
    }
    std::string_view text = bytes_.substr(8, length);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    if (text.empty() || text.front() != '{') fail("header", "no '{' first", "a JSON object");
    if (text.back() != '}') {
      fail("header", "no '}' last", "a JSON object with nothing but spaces behind it");
    }
    return text;
  }

  std::string_view data() const {
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) {
      length = length << 8 | static_cast<unsigned char>(bytes_[static_cast<size_t>(i)]);
    }
    return bytes_.substr(8 + length);
  }

  // The tensors in file order, checked to cover the data without a hole or an overlap.
  std::vector<NamedTensor> place(std::vector<Entry> entries) const {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return *a.offsets < *b.offsets; });
    const std::string_view bytes = data();
    std::vector<NamedTensor> tensors;
    uint64_t end = 0;
    for (const Entry& entry : entries) {
      const std::string place = fmt::format("entry '{}'", entry.name);
      const uint64_t first = (*entry.offsets)[0], last = (*entry.offsets)[1];
      if (first > last)
        fail(place, fmt::format("data_offsets [{}, {}]", first, last), "begin <= end");
      if (first != end) {
        fail(place, fmt::format("data from byte {}", first),
             fmt::format("byte {}: tensors follow each other without {}", end,
                         first > end ? "holes" : "overlaps"));
      }
      const auto wanted = bytes_wanted(entry);
      if (!wanted)
        fail(place, fmt::format("shape [{}]", fmt::join(*entry.shape, ", ")), "a size below 2^63");
      if (*wanted != last - first) {
        fail(place, fmt::format("{} bytes of data", last - first),
             fmt::format("{} for {} [{}]", *wanted, name_of(*entry.type),
                         fmt::join(*entry.shape, ", ")));
      }
      if (last > bytes.size()) {
        fail(place, fmt::format("data up to byte {}", last),
             fmt::format("at most {}: the file is truncated", bytes.size()));
      }
      tensors.push_back({.name = entry.name,
                         .type = *entry.type,
                         .shape = std::vector<int64_t>(entry.shape->begin(), entry.shape->end()),
                         .data = bytes.data() + first});
      end = last;
    }
    if (end != bytes.size()) {
      fail("data", fmt::format("{} bytes", bytes.size()),
           fmt::format("{}: nothing may follow the last tensor", end));
    }
    return tensors;
  }

 private:
  static std::optional<uint64_t> bytes_wanted(const Entry& entry) {
    // Signed 64-bit as everywhere in the program; a zero dimension does not excuse a huge one.
    int64_t total = size_of(*entry.type);
    bool is_empty = false;
    for (const uint64_t dim : *entry.shape) {
      if (dim > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
      is_empty = is_empty || dim == 0;
      if (dim != 0 && __builtin_mul_overflow(total, static_cast<int64_t>(dim), &total)) {
        return std::nullopt;
      }
    }
    return is_empty ? 0 : static_cast<uint64_t>(total);
  }

  [[noreturn]] void fail(const std::string& place, const std::string& found,
                         const std::string& expected) const {
    throw DataError(Problem{.file = path_,
                            .place = place,
                            .found = found,
                            .expected = expected,
                            .cure = "the file is damaged or no safetensors file"});
  }

  std::string_view bytes_;
  const std::string& path_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view file_bytes, const std::string& path) {
  const Checker checker(file_bytes, path);
  const std::string_view text = checker.json_text();
  HeaderEvents events(path);
  json::sax_parse(text.begin(), text.end(), &events);
  return {.metadata = std::move(events.metadata),
          .tensors = checker.place(std::move(events.entries))};
}

}  // namespace tutti::checkpoints
