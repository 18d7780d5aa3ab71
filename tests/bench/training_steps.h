#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/models/id_model.h"

// What the benchmarks of training share: playlists of a dataset, as pairs for a peer and as steps
// of ours.
namespace tutti::bench {

struct Playlist {
  std::vector<int32_t> title_tokens, tracks;
};

// The first `count` training playlists.
std::vector<Playlist> read_playlists(const data::Dataset& dataset, const data::Tokenizer& tokenizer,
                                     int64_t count);

// A JSON line a playlist: the title's tokens and those of its IDs; then {"id_tokens"}.
void print_pairs(const std::vector<Playlist>& playlists, const ids::IdTable& table,
                 const ids::Trie& trie);

// Steps that are not timed: memory grows, oneDNN compiles its kernels.
inline constexpr int64_t kWarmUpSteps = 6;

// Times steps of `titles` playlists each, behind the warm-up. A step is all that a step of tutti
// train is but for the data: packing, forward, backward, norm, clipping, AdamW. Gives speed and
// where the time goes.
nlohmann::json time_steps(trainer::IdModel& model, const std::vector<Playlist>& playlists,
                          const ids::IdTable& table, const ids::Trie& trie, int64_t titles,
                          int64_t steps);

}  // namespace tutti::bench
