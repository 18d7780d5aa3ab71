#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "checkpoints/import/gguf.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

// Walks over the bytes of a GGUF file; every step is checked against the end.
class GgufCursor {
 public:
  GgufCursor(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  size_t at() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }

  std::string_view take(uint64_t num_bytes, const std::string& what) {
    if (num_bytes > left()) {
      fail(what, fmt::format("an end after {} bytes", bytes_.size()),
           fmt::format("{} bytes at byte {}", num_bytes, at_));
    }
    const std::string_view taken = bytes_.substr(at_, num_bytes);
    at_ += num_bytes;
    return taken;
  }

  // A number as it lies in the file (ours are little-endian machines).
  template <typename T>
  T number(const std::string& what) {
    static_assert(std::endian::native == std::endian::little);
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string text(const std::string& what) {
    return std::string(take(number<uint64_t>(what), what));
  }

  // A count of things of at least `least_bytes` each.
  uint64_t count(const std::string& what, uint64_t least_bytes) {
    const auto value = number<uint64_t>(what);
    if (value > left() / least_bytes) {
      fail(what, fmt::format("a count of {}", value),
           fmt::format("at most what {} bytes hold", left()));
    }
    return value;
  }

  [[noreturn]] void fail(const std::string& place, const std::string& found,
                         const std::string& expected, const std::string& cure = "") const {
    throw DataError(
        Problem{.file = path_, .place = place, .found = found, .expected = expected, .cure = cure});
  }

 private:
  std::string_view bytes_;
  const std::string& path_;
  size_t at_ = 0;
};

// The value of a key, its type first.
GgufValue read_gguf_value(GgufCursor& cursor, const std::string& key);

}  // namespace tutti::checkpoints
