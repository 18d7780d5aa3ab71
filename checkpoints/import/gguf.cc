#include "checkpoints/import/gguf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/ranges.h>

#include "checkpoints/file_mapping.h"
#include "checkpoints/import/gguf_cursor.h"
#include "checkpoints/import/gguf_quants.h"

namespace tutti::checkpoints {
namespace {

constexpr const char* kAlignmentKey = "general.alignment";

// A tensor as the header describes it.
struct Info {
  GgufTensor tensor;
  uint64_t offset = 0, num_bytes = 0;  // in the data
};

void check_front(GgufCursor& cursor) {
  const std::string_view magic = cursor.take(4, "magic");
  if (magic != "GGUF") {
    cursor.fail("byte 0", "other bytes", "the letters GGUF", "the file is damaged or no GGUF file");
  }
  const auto version = cursor.number<uint32_t>("version");
  if (version == 2 || version == 3) return;
  const bool is_swapped = version != 0 && (version & 0xffff) == 0;
  cursor.fail("version", is_swapped ? "a big-endian file" : fmt::format("{}", version),
              "version 2 or 3, little-endian", "convert it again with a recent gguf package");
}

Info read_info(GgufCursor& cursor, uint64_t number, uint64_t alignment) {
  constexpr uint32_t kMostDims = 4;
  constexpr size_t kLongestName = 64;
  Info info;
  std::string& name = info.tensor.name;
  name = cursor.text(fmt::format("name of tensor {}", number));
  if (name.empty() || name.size() > kLongestName) {
    cursor.fail(fmt::format("name of tensor {}", number), fmt::format("{} bytes", name.size()),
                fmt::format("1 to {}", kLongestName));
  }
  const std::string place = "tensor '" + name + "'";
  const auto num_dims = cursor.number<uint32_t>(place);
  if (num_dims == 0 || num_dims > kMostDims) {
    cursor.fail(place, fmt::format("{} dimensions", num_dims), fmt::format("1 to {}", kMostDims));
  }
  int64_t num_elements = 1;
  for (uint32_t i = 0; i < num_dims; ++i) {
    const auto dim = cursor.number<uint64_t>(place);
    // Elements of 4 bytes at most, so that bytes stay below 2^63.
    if (dim == 0 || dim > static_cast<uint64_t>(INT64_MAX / 4 / num_elements)) {
      cursor.fail(place, fmt::format("a dimension of {}", dim), "sizes whose product fits 61 bits");
    }
    num_elements *= static_cast<int64_t>(dim);
    info.tensor.shape.insert(info.tensor.shape.begin(), static_cast<int64_t>(dim));
  }
  const auto type = cursor.number<uint32_t>(place);
  const GgufBlock* block = find_block(type);
  if (block == nullptr) {
    cursor.fail(place, "type " + name_of_other(type), "F32, F16, BF16, Q8_0, Q4_0 or Q4_1",
                "give the model in one of these");
  }
  info.tensor.type = block->type;
  if (info.tensor.shape.back() % block->values != 0) {
    cursor.fail(place, fmt::format("rows of {}", info.tensor.shape.back()),
                fmt::format("a multiple of {} for {}", block->values, block->name));
  }
  info.num_bytes = static_cast<uint64_t>(num_elements / block->values * block->bytes);
  info.offset = cursor.number<uint64_t>(place);
  if (info.offset % alignment != 0) {
    cursor.fail(place, fmt::format("offset {}", info.offset),
                fmt::format("a multiple of the alignment {}", alignment));
  }
  return info;
}

uint64_t padded(uint64_t size, uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

uint64_t alignment_of(const std::map<std::string, GgufValue>& metadata, const GgufCursor& cursor) {
  constexpr int64_t kDefault = 32, kLargest = 1 << 20;
  const auto found = metadata.find(kAlignmentKey);
  if (found == metadata.end()) return kDefault;
  const auto* value = std::get_if<int64_t>(&found->second);
  if (value == nullptr || *value < 8 || *value > kLargest ||
      !std::has_single_bit(static_cast<uint64_t>(*value))) {
    cursor.fail(fmt::format("key '{}'", kAlignmentKey),
                value == nullptr ? "no number" : fmt::format("{}", *value),
                fmt::format("a power of two from 8 to {}", kLargest));
  }
  return static_cast<uint64_t>(*value);
}

// Gives each tensor its bytes: one behind the other, padded, up to the end of the file.
void place(std::vector<Info>& infos, std::string_view data, uint64_t alignment,
           const GgufCursor& cursor) {
  uint64_t end = 0, used = 0;
  for (Info& info : infos) {
    const std::string where = "tensor '" + info.tensor.name + "'";
    if (info.offset != end) {
      cursor.fail(where, fmt::format("offset {}", info.offset),
                  fmt::format("{}: tensors follow each other", end));
    }
    if (info.offset > data.size() || info.num_bytes > data.size() - info.offset) {
      cursor.fail(
          where, fmt::format("data up to byte {} of {}", info.offset + info.num_bytes, data.size()),
          "a whole tensor: the file is truncated");
    }
    info.tensor.data = data.substr(info.offset, info.num_bytes);
    used = info.offset + info.num_bytes;
    end = padded(used, alignment);
  }
  if (data.size() > end) {
    cursor.fail("data", fmt::format("{} bytes", data.size()),
                fmt::format("{} to {}: nothing may follow the last tensor", used, end));
  }
}

}  // namespace

GgufContent parse_gguf(std::string_view file_bytes, const std::string& path) {
  constexpr uint64_t kLeastInfo = 32, kLeastPair = 13;  // bytes
  GgufCursor cursor(file_bytes, path);
  check_front(cursor);
  const uint64_t num_tensors = cursor.count("tensor count", kLeastInfo);
  const uint64_t num_pairs = cursor.count("count of keys", kLeastPair);
  GgufContent content;
  for (uint64_t i = 0; i < num_pairs; ++i) {
    std::string key = cursor.text(fmt::format("key {}", i));
    GgufValue value = read_gguf_value(cursor, key);
    if (!content.metadata.emplace(key, std::move(value)).second) {
      cursor.fail(fmt::format("key '{}'", key), "a second value", "every key once");
    }
  }
  const uint64_t alignment = alignment_of(content.metadata, cursor);
  std::vector<Info> infos;
  std::set<std::string> names;
  infos.reserve(num_tensors);
  for (uint64_t i = 0; i < num_tensors; ++i) {
    infos.push_back(read_info(cursor, i, alignment));
    if (!names.insert(infos.back().tensor.name).second) {
      cursor.fail("tensor '" + infos.back().tensor.name + "'", "a second one", "every name once");
    }
  }
  const uint64_t start = std::min<uint64_t>(padded(cursor.at(), alignment), file_bytes.size());
  place(infos, file_bytes.substr(start), alignment, cursor);
  for (Info& info : infos) content.tensors.push_back(std::move(info.tensor));
  return content;
}

struct GgufFile::Impl {
  explicit Impl(const std::filesystem::path& file)
      : path(file.string()),
        mapping(file, "a GGUF file"),
        content(parse_gguf(mapping.bytes(), path)) {
    for (const GgufTensor& tensor : content.tensors) by_name.emplace(tensor.name, &tensor);
  }
  std::string path;
  FileMapping mapping;
  GgufContent content;
  std::unordered_map<std::string, const GgufTensor*> by_name;
};

GgufFile::GgufFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GgufFile::~GgufFile() = default;
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;

GgufFile GgufFile::open(const std::filesystem::path& path) {
  return GgufFile(std::make_unique<Impl>(path));
}

const std::string& GgufFile::path() const {
  return impl_->path;
}

const std::vector<GgufTensor>& GgufFile::tensors() const {
  return impl_->content.tensors;
}

const GgufTensor* GgufFile::find_tensor(const std::string& name) const {
  const auto found = impl_->by_name.find(name);
  return found == impl_->by_name.end() ? nullptr : found->second;
}

const GgufValue* GgufFile::find(const std::string& key) const {
  const auto found = impl_->content.metadata.find(key);
  return found == impl_->content.metadata.end() ? nullptr : &found->second;
}

void GgufFile::fail(const std::string& place, const std::string& found, const std::string& expected,
                    const std::string& cure) const {
  throw DataError(Problem{
      .file = impl_->path, .place = place, .found = found, .expected = expected, .cure = cure});
}

template <typename T>
const T& GgufFile::get(const std::string& key, const char* expected) const {
  const GgufValue* value = find(key);
  const T* typed = value == nullptr ? nullptr : std::get_if<T>(value);
  if (typed == nullptr) {
    fail(fmt::format("key '{}'", key), value == nullptr ? "nothing" : "a value of another type",
         expected);
  }
  return *typed;
}

int64_t GgufFile::size(const std::string& key, std::optional<int64_t> absent) const {
  constexpr const char* kExpected = "a positive whole number";
  constexpr int64_t kLargest = int64_t{1} << 30;
  if (absent && find(key) == nullptr) return *absent;
  const int64_t value = get<int64_t>(key, kExpected);
  if (value <= 0 || value > kLargest) {
    fail(fmt::format("key '{}'", key), fmt::format("{}", value), kExpected);
  }
  return value;
}

int64_t GgufFile::whole(const std::string& key) const {
  return get<int64_t>(key, "a whole number");
}

double GgufFile::number(const std::string& key, std::optional<double> absent) const {
  if (absent && find(key) == nullptr) return *absent;
  const double value = get<double>(key, "a positive number");
  if (!(value > 0) || !std::isfinite(value)) {
    fail(fmt::format("key '{}'", key), fmt::format("{}", value), "a positive number");
  }
  return value;
}

bool GgufFile::flag(const std::string& key, bool absent) const {
  return find(key) == nullptr ? absent : get<bool>(key, "true or false");
}

std::string GgufFile::text(const std::string& key, std::optional<std::string> absent) const {
  if (absent && find(key) == nullptr) return *absent;
  return get<std::string>(key, "a text");
}

const std::vector<std::string>& GgufFile::texts(const std::string& key) const {
  return get<std::vector<std::string>>(key, "an array of texts");
}

const std::vector<int64_t>& GgufFile::whole_numbers(const std::string& key) const {
  return get<std::vector<int64_t>>(key, "an array of whole numbers");
}

}  // namespace tutti::checkpoints
