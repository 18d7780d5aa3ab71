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
  TensorType type = TensorType::kF32;
  std::vector<uint64_t> shape, offsets;
};

std::string type_names() {
  std::string names = "one of";
  for (const TypeInfo& info : kTypes) names += fmt::format(" {}", info.name);
  return names;
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
      if (where_ == Where::kEntry) entries.emplace_back().name = key_;
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
      if (inner_keys_.size() != 3) {  // each of the three known fields once
        fail("an incomplete entry", "dtype, shape and data_offsets");
      }
      if (entry.offsets.size() != 2) {
        fail(fmt::format("{} data_offsets", entry.offsets.size()), "2, begin and end");
      }
    }
    where_ = where_ == Where::kTop ? Where::kOutside : Where::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (where_ != Where::kEntry || key_ == "dtype") return unexpected("an array");
    auto& slot = key_ == "shape" ? entries.back().shape : entries.back().offsets;
    list_ = &slot;
    where_ = Where::kList;
    return true;
  }

  bool end_array() override {
    where_ = Where::kEntry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    throw DataError(Problem{.file = path_,
                            .place = fmt::format("header byte {}", position),
                            .found = "text that is not UTF-8 JSON",
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

[[noreturn]] void fail(const std::string& path, const std::string& place, const std::string& found,
                       const std::string& expected) {
  throw DataError(Problem{.file = path,
                          .place = place,
                          .found = found,
                          .expected = expected,
                          .cure = "the file is damaged or no safetensors file"});
}

// The header with its padding; the data is what follows.
std::string_view header_text(std::string_view bytes, const std::string& path) {
  if (bytes.size() < 8) {
    fail(path, "header", fmt::format("{} bytes", bytes.size()), "at least 8: the header's length");
  }
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  const std::string found = fmt::format("a length of {} bytes", length);
  if (length > static_cast<uint64_t>(kMaxHeaderBytes)) {
    fail(path, "header", found, fmt::format("at most {}", kMaxHeaderBytes));
  }
  if (length > bytes.size() - 8) {
    fail(path, "header", found,
         fmt::format("at most the {} bytes that follow in the file", bytes.size() - 8));
  }
  return bytes.substr(8, length);
}

std::string_view without_padding(std::string_view text, const std::string& path) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.empty() || text.front() != '{') fail(path, "header", "no '{' first", "a JSON object");
  if (text.back() != '}') {
    fail(path, "header", "no '}' last", "a JSON object with nothing but spaces behind it");
  }
  return text;
}

// Signed 64-bit as everywhere in the program; a zero dimension does not excuse a huge one.
std::optional<uint64_t> bytes_wanted(const Entry& entry) {
  int64_t total = size_of(entry.type);
  bool is_empty = false;
  for (const uint64_t dim : entry.shape) {
    if (dim > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    is_empty = is_empty || dim == 0;
    if (dim != 0 && __builtin_mul_overflow(total, static_cast<int64_t>(dim), &total)) {
      return std::nullopt;
    }
  }
  return is_empty ? 0 : static_cast<uint64_t>(total);
}

// The tensors in file order, checked to cover the data without a hole or an overlap.
std::vector<NamedTensor> place(const std::vector<Entry>& entries, std::string_view data,
                               const std::string& path) {
  std::vector<const Entry*> in_order;
  in_order.reserve(entries.size());
  for (const Entry& entry : entries) in_order.push_back(&entry);
  std::stable_sort(in_order.begin(), in_order.end(),
                   [](const Entry* a, const Entry* b) { return a->offsets < b->offsets; });
  std::vector<NamedTensor> tensors;
  uint64_t end = 0;
  for (const Entry* entry : in_order) {
    const std::string where = fmt::format("entry '{}'", entry->name);
    const std::string shape = fmt::format("[{}]", fmt::join(entry->shape, ", "));
    const uint64_t first = entry->offsets[0], last = entry->offsets[1];
    if (first > last) {
      fail(path, where, fmt::format("data_offsets [{}, {}]", first, last), "begin <= end");
    }
    if (first != end) {
      fail(path, where, fmt::format("data from byte {}", first),
           fmt::format("byte {}: tensors follow each other without {}", end,
                       first > end ? "holes" : "overlaps"));
    }
    const auto wanted = bytes_wanted(*entry);
    if (!wanted) fail(path, where, "shape " + shape, "a size below 2^63 bytes");
    if (*wanted != last - first) {
      fail(path, where, fmt::format("{} bytes of data", last - first),
           fmt::format("{} for {} {}", *wanted, name_of(entry->type), shape));
    }
    if (last > data.size()) {
      fail(path, where, fmt::format("data up to byte {}", last),
           fmt::format("at most {}: the file is truncated", data.size()));
    }
    tensors.push_back({.name = entry->name,
                       .type = entry->type,
                       .shape = std::vector<int64_t>(entry->shape.begin(), entry->shape.end()),
                       .data = data.data() + first});
    end = last;
  }
  if (end != data.size()) {
    fail(path, "data", fmt::format("{} bytes", data.size()),
         fmt::format("{}: nothing may follow the last tensor", end));
  }
  return tensors;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view file_bytes, const std::string& path) {
  const std::string_view header = header_text(file_bytes, path);
  const std::string_view text = without_padding(header, path);
  HeaderEvents events(path);
  json::sax_parse(text.begin(), text.end(), &events);
  return {.metadata = std::move(events.metadata),
          .tensors = place(events.entries, file_bytes.substr(8 + header.size()), path)};
}

}  // namespace tutti::checkpoints
