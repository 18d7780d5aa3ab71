#include "data/tokenizers/charsmap.h"

#include <cstdint>
#include <cstring>
#include <vector>

namespace tutti::data {
namespace {

// A unit of a double array as darts-clone packs it: a label, whether a value hangs below, and where
// its children lie.
struct Unit {
  uint32_t bits;
  uint32_t label() const { return bits & (uint32_t{1} << 31 | 0xff); }
  bool has_leaf() const { return (bits >> 8 & 1) != 0; }
  uint32_t offset() const { return (bits >> 10) << ((bits & uint32_t{1} << 9) >> 6); }
  uint32_t value() const { return bits & ~(uint32_t{1} << 31); }
};

}  // namespace

bool is_sound_charsmap(std::string_view table) {
  uint32_t trie_bytes = 0;
  if (table.size() < sizeof(trie_bytes)) return false;
  std::memcpy(&trie_bytes, table.data(), sizeof(trie_bytes));
  table.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes == 0 || trie_bytes % sizeof(Unit) != 0 || trie_bytes > table.size()) return false;
  std::vector<Unit> units(trie_bytes / sizeof(Unit));
  std::memcpy(units.data(), table.data(), trie_bytes);
  const std::string_view texts = table.substr(trie_bytes);
  if (texts.empty() || texts.back() != '\0') return false;

  std::vector<bool> is_seen(units.size());
  std::vector<uint32_t> open = {0};
  is_seen[0] = true;
  while (!open.empty()) {
    const uint32_t at = open.back();
    open.pop_back();
    const uint32_t base = at ^ units[at].offset();
    // Any byte may follow: all 256 places of the block are looked at.
    if ((base | 0xff) >= units.size()) return false;
    if (units[at].has_leaf() && units[base].value() >= texts.size()) return false;
    for (uint32_t byte = 1; byte < 256; ++byte) {
      const uint32_t child = base ^ byte;
      if (units[child].label() != byte || is_seen[child]) continue;
      is_seen[child] = true;
      open.push_back(child);
    }
  }
  return true;
}

}  // namespace tutti::data
