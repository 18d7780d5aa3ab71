#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/packing.h"

namespace tutti::trainer {

struct TrainingDataOptions {
  int64_t titles_per_step = 8;  // over all ranks
  int64_t window = 8192;        // playlists that are shuffled together, read in one piece
  uint64_t seed = 0;
  Weighting weighting = Weighting::kPair;
};

// Turns the training playlists of a dataset into the packed batch of any step and rank: a pure
// function of (options, step, rank, world size). The groups of a step do not depend on the world
// size; they are dealt to ranks by cost. Two windows of playlists are held at a time.
class TrainingData {
 public:
  // The three arguments outlive the object. DataError when the dataset has no training playlist.
  TrainingData(const data::Dataset& dataset, const data::Tokenizer& tokenizer,
               const ids::IdTable& table, const TrainingDataOptions& options);

  struct Step {
    PackedBatch batch;         // this rank's titles; may hold none
    double global_weight = 0;  // of all ranks' titles
    int64_t global_pairs = 0;
  };
  Step step(int64_t step, int rank, int world_size);

  int64_t num_playlists() const { return std::ssize(playlists_); }

 private:
  struct Playlist {
    std::span<const int32_t> tracks;
    std::span<const int32_t> title_tokens;
  };
  Playlist playlist(int64_t item);

  const data::Dataset& dataset_;
  const ids::IdTable& table_;
  const ids::Trie trie_;
  TrainingDataOptions options_;
  std::vector<int64_t> playlists_;            // training playlists of the dataset, ascending
  std::vector<int64_t> title_token_offsets_;  // [raw titles + 1]
  std::vector<int32_t> title_tokens_;
  std::map<int64_t, data::PlaylistBlock> windows_;  // by window number
};

// A SentencePiece vocabulary for the titles of the training playlists (held-out titles are never
// looked at).
std::string train_title_vocabulary(const data::Dataset& dataset,
                                   const data::TokenizerTraining& options);

}  // namespace tutti::trainer
