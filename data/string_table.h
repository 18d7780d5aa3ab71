#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::data {

// Many strings in one blob: row i is bytes[offsets[i], offsets[i+1]). The in-memory twin of the
// HDF5 form (titles, keys, names).
struct StringTable {
  std::string bytes;                // UTF-8
  std::vector<int64_t> offsets{0};  // [size + 1]

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::string_view operator[](int64_t i) const {
    return std::string_view(bytes).substr(offsets[i], offsets[i + 1] - offsets[i]);
  }
  void push_back(std::string_view s) {
    bytes.append(s);
    offsets.push_back(static_cast<int64_t>(bytes.size()));
  }
};

}  // namespace tutti::data
