#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/string_table.h"

namespace tutti::data {

// Finds the row of a string in a table of distinct strings, which it keeps distinct: rows are
// numbered in order of first occurrence. Holds no string itself, so millions of keys cost 8 to 16
// bytes each. One index belongs to one table, which only this index adds to.
class StringIndex {
 public:
  StringIndex() = default;
  explicit StringIndex(const StringTable& table);  // of the rows that are there

  // The row of `s`, added at the end when it is not there yet.
  int32_t add(StringTable& table, std::string_view s);
  int32_t find(const StringTable& table, std::string_view s) const;  // -1 when absent

 private:
  size_t slot_of(const StringTable& table, std::string_view s) const;
  void rehash(const StringTable& table, size_t num_slots);

  std::vector<int32_t> slots_;  // open addressing, a power of two of them, -1 is free
};

}  // namespace tutti::data
