#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "dist/runtime/rng.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/id_rows.h"
#include "trainer/models/t5.h"

namespace tutti::trainer {

// A catalog of random three-code IDs, so small that many tracks share codes and get suffixes.
inline ids::IdTable random_id_table(int64_t num_tracks, int32_t num_codes, uint64_t seed) {
  ids::IdTable table;
  table.strategy = "semantic";
  table.space = "cf";
  for (int32_t l = 0; l < 3; ++l) table.levels.push_back({l * num_codes, num_codes});
  Rng rng(seed, Purpose::kTest, 1);
  std::map<std::vector<int32_t>, int32_t> tracks_on_code;
  int32_t largest = 0;
  for (int64_t t = 0; t < num_tracks; ++t) {
    std::vector<int32_t> code;
    for (int32_t l = 0; l < 3; ++l)
      code.push_back(l * num_codes + static_cast<int32_t>(rng.below(num_codes)));
    const int32_t suffix = tracks_on_code[code]++;
    largest = std::max(largest, suffix);
    table.tokens.insert(table.tokens.end(), code.begin(), code.end());
    table.tokens.push_back(3 * num_codes + suffix);
    table.offsets.push_back(std::ssize(table.tokens));
  }
  table.levels.push_back({3 * num_codes, largest + 1});
  return table;
}

// A catalog of random words of `letters` letters, up to five long, as IDs of text: lengths differ,
// and a word is often the beginning of another.
inline ids::IdTable random_text_table(int64_t num_tracks, int32_t letters, uint64_t seed) {
  ids::IdTable table;
  table.strategy = "artist-track-name";
  table.levels.assign(6, {0, letters + 1});
  for (int32_t token = 0; token <= letters; ++token) {
    table.token_names.push_back(token == letters ? "<END>" : "<T_" + std::to_string(token) + ">");
  }
  Rng rng(seed, Purpose::kTest, 2);
  std::set<std::vector<int32_t>> words;
  while (table.num_tracks() < num_tracks) {
    std::vector<int32_t> word(1 + rng.below(5));
    for (int32_t& letter : word) letter = static_cast<int32_t>(rng.below(letters));
    if (!words.insert(word).second) continue;
    word.push_back(letters);
    table.tokens.insert(table.tokens.end(), word.begin(), word.end());
    table.offsets.push_back(std::ssize(table.tokens));
  }
  return table;
}

// Inner width != d_model, an odd head count, two layers: nothing that could hide a transposed
// shape.
inline T5Config small_t5(const ids::IdTable& table) {
  return {.text_rows = 50,
          .id_tokens = table.num_tokens(),
          .unread_ids = unread_tokens(table),
          .d_model = 32,
          .d_kv = 8,
          .num_heads = 3,
          .d_ff = 40,
          .num_layers = 2,
          .num_decoder_layers = 2};
}

// Titles of 1 to 9 tokens with 1 to `max_tracks` tracks each, a track possibly twice on one code.
struct OwnedGroup {
  std::vector<int32_t> title_tokens, tracks;
};
inline std::vector<OwnedGroup> random_groups(int64_t count, int64_t num_tracks, int64_t max_tracks,
                                             uint64_t seed) {
  std::vector<OwnedGroup> groups(count);
  for (int64_t g = 0; g < count; ++g) {
    Rng rng(seed, Purpose::kTest, 100 + g);
    const auto words = static_cast<int64_t>(rng.below(9));
    for (int64_t w = 0; w < words; ++w)
      groups[g].title_tokens.push_back(3 + static_cast<int32_t>(rng.below(47)));
    groups[g].title_tokens.push_back(1);
    const auto tracks = 1 + static_cast<int64_t>(rng.below(max_tracks));
    for (int64_t t = 0; t < tracks; ++t)
      groups[g].tracks.push_back(static_cast<int32_t>(rng.below(num_tracks)));
  }
  return groups;
}

}  // namespace tutti::trainer
