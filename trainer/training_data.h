#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/packing.h"

namespace tutti::trainer {

enum class Grouping {
  kPlaylist,  // a playlist is a title group
  kTitle,     // playlists of a step with one normalised title share a group:
              // encoded once, one tree
};

struct TrainingDataOptions {
  int64_t titles_per_step = 8;  // playlists, over all ranks
  int64_t window = 8192;        // playlists that are shuffled together, read in one piece
  uint64_t seed = 0;
  PackingOptions packing = {};
  Grouping grouping = Grouping::kPlaylist;
  // The most targets of a group, 0: all. Of more, this many are drawn anew each time, each with the
  // weight of those it stands for: the expected gradient stays the same.
  int64_t group_cap = 0;
  int64_t micro_batch = 0;  // the most titles of a forward pass; 0: all of the rank's
  // The share of the playlists whose title is put into a request ("play me some {}"), and the
  // templates to choose from; which one a playlist gets depends on seed and playlist alone.
  double request_share = 0;
  std::vector<std::string> requests = {};
  // What the deal takes a decoder node and a title token to cost.
  double node_cost = 1, title_token_cost = 1;
};

// Turns the training playlists of a dataset into the packed batches of any step and rank: a pure
// function of (options, step, rank, world size). The groups of a step do not depend on the world
// size; they are dealt to ranks by cost, with tree sizes that are counted once a window. Two
// windows of playlists are held at a time. Not for two threads at a time, and the dataset's files
// are touched by the calling thread.
class TrainingData {
 public:
  // Dataset, tokenizer and table outlive the object. DataError when the dataset has no training
  // playlist.
  TrainingData(const data::Dataset& dataset, const data::Tokenizer& tokenizer,
               const ids::IdTable& table, const TrainingDataOptions& options);

  struct Step {
    int64_t index = 0;
    double epoch = 0;  // passes over the training playlists once this step is done
    // Of all ranks.
    double weight = 0;
    int64_t pairs = 0, nodes = 0, title_tokens = 0;
    double imbalance = 0;  // cost of the rank that has most over the mean, less 1

    // This rank's titles; may be none. Titles of about one length share a micro-batch.
    std::span<const PackedBatch> micro_batches() const {
      return std::span(buffers).first(num_micro_batches);
    }

    int64_t num_micro_batches = 0;
    std::vector<PackedBatch> buffers;  // used again by the next make_step()
  };
  // Replaces `out`.
  void make_step(int64_t step, int rank, int world_size, Step& out);

  int64_t num_playlists() const { return std::ssize(playlists_); }
  const ids::Trie& trie() const { return trie_; }

 private:
  // Playlists read in one piece, tracks in the order of their IDs.
  struct Window {
    data::PlaylistBlock block;
    std::vector<int64_t> num_nodes;                 // [playlists], decoder nodes of each
    std::vector<int64_t> request;                   // [playlists], number of its template; -1: bare
    std::vector<int64_t> request_token_offsets{0};  // [playlists + 1]
    std::vector<int32_t> request_tokens;            // of titles in their templates
  };
  struct Group {
    TitleGroup titled;
    int64_t num_nodes = 0;
  };
  const Window& window_of(int64_t item);
  void put_into_requests(Window& window) const;
  std::span<const int32_t> prompt_of(const Window& window, int64_t row) const;
  // Groups of the items of a step in order of first occurrence; spans point into windows and
  // merged_.
  void make_groups(int64_t step, Step& out);
  void merge(std::span<const int64_t> items, uint64_t draw, Group& group);
  void deal(int rank, int world_size, Step& out);

  const data::Dataset& dataset_;
  const data::Tokenizer& tokenizer_;
  const data::TitleTable& titles_;
  const ids::Trie trie_;
  Packer packer_;
  TrainingDataOptions options_;
  std::vector<int64_t> playlists_;            // training playlists of the dataset, ascending
  std::vector<int64_t> title_token_offsets_;  // [raw titles + 1]
  std::vector<int32_t> title_tokens_;
  std::map<int64_t, Window> windows_;  // by window number

  // Of the step at hand.
  struct Merged {
    std::vector<int32_t> tracks;
    std::vector<float> weights;
  };
  std::vector<Merged> merged_;  // a group that is not just one playlist, in its own buffers
  size_t num_merged_ = 0;
  std::vector<Group> groups_;
  std::vector<TitleGroup> mine_;
};

// A SentencePiece vocabulary for the titles of the training playlists (held-out titles are never
// looked at) and, as often as all titles together, the words of the requests around them.
std::string train_title_vocabulary(const data::Dataset& dataset,
                                   const data::TokenizerTraining& options,
                                   const std::vector<std::string>& requests = {});

}  // namespace tutti::trainer
