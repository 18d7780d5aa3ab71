#include "data/string_index.h"

#include <functional>
#include <limits>

#include "dist/runtime/errors.h"

namespace tutti::data {

StringIndex::StringIndex(const StringTable& table) {
  size_t num_slots = 16;
  while (num_slots < 2 * static_cast<size_t>(table.size())) num_slots *= 2;
  rehash(table, num_slots);
}

size_t StringIndex::slot_of(const StringTable& table, std::string_view s) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>()(s) & mask;
  while (slots_[slot] >= 0 && table[slots_[slot]] != s) slot = (slot + 1) & mask;
  return slot;
}

void StringIndex::rehash(const StringTable& table, size_t num_slots) {
  slots_.assign(num_slots, -1);
  for (int64_t i = 0; i < table.size(); ++i) {
    slots_[slot_of(table, table[i])] = static_cast<int32_t>(i);
  }
}

int32_t StringIndex::find(const StringTable& table, std::string_view s) const {
  return slots_.empty() ? -1 : slots_[slot_of(table, s)];
}

int32_t StringIndex::add(StringTable& table, std::string_view s) {
  // Half full at most: probe chains stay short.
  if (slots_.size() <= 2 * static_cast<size_t>(table.size())) {
    rehash(table, slots_.empty() ? 16 : 2 * slots_.size());
  }
  const size_t slot = slot_of(table, s);
  if (slots_[slot] >= 0) return slots_[slot];
  if (table.size() >= std::numeric_limits<int32_t>::max()) {
    throw DataError("more than 2^31 - 1 distinct keys");
  }
  slots_[slot] = static_cast<int32_t>(table.size());
  table.push_back(s);
  return slots_[slot];
}

}  // namespace tutti::data
