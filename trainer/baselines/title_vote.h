#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/dataset.h"
#include "trainer/baselines/sparse_scores.h"
#include "trainer/evaluate/playlist_blocks.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// Which tracks the training playlists of each normalised title hold, how often; and which titles
// hold a word.
class TitleIndex {
 public:
  static TitleIndex build(const data::Dataset& dataset);
  // Streams the playlists twice; those outside the training part are skipped.
  static TitleIndex build(const data::TitleTable& titles, int64_t num_tracks,
                          const BlockSource& playlists);

  struct Vote {
    int32_t track = 0, playlists = 0;  // training playlists of the title that hold the track
  };
  int64_t num_titles() const { return std::ssize(playlists_of_); }
  std::span<const Vote> votes_of(int32_t title) const;  // tracks ascending
  int32_t playlists_of(int32_t title) const { return playlists_of_[title]; }
  float weight_of(int32_t title) const { return weight_of_[title]; }  // its words' idf, summed

  std::span<const int32_t> titles_with(std::string_view word) const;  // ascending
  float idf_of(std::string_view word) const;  // ln(1 + titles / titles with it); unknown: of a word
                                              // that one title holds
 private:
  std::unordered_map<std::string, int32_t> word_rows_;  // looked up, never walked
  std::vector<int64_t> vote_offsets_{0};                // [num_titles + 1]
  std::vector<Vote> votes_;
  std::vector<int32_t> playlists_of_;      // [num_titles]
  std::vector<float> weight_of_;           // [num_titles]
  std::vector<int64_t> title_offsets_{0};  // [num_words + 1]
  std::vector<int32_t> titles_of_words_;
};

// A neighbour's similarity is Tversky's over words weighted by idf: common / (common + alpha * only
// in the query + beta * only in the neighbour); its tracks vote with their share of its playlists,
// where `shrinkage` playlists without any track are added so that one-playlist titles do not shout.
// After Creamy Fireflies' entry to the RecSys Challenge 2018. tune.h finds values.
struct TitleVoteParameters {
  int num_neighbours = 200;
  double alpha = 0.9, beta = 1.0;
  double shrinkage = 5;
};

// Title vote: what the playlists of the same and of similar titles hold. A title that is not known
// is answered by its neighbours alone, one without any by popularity. Ties by popularity.
class TitleVoteRanker : public Ranker {
 public:
  // Both must outlive the ranker.
  TitleVoteRanker(const TitleIndex& index, const PopularityRanker& popularity,
                  const TitleVoteParameters& parameters);

  std::string name() const override;
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override;

  struct Neighbour {
    int32_t title;     // row of the index
    float similarity;  // > 0, at most 1
  };
  // The most similar titles, at most `count`, the same one first; equal ones by row.
  std::vector<Neighbour> neighbours_of(const std::string& normalized, int count);

 private:
  const TitleIndex& index_;
  TitleVoteParameters parameters_;
  SparseScores scores_;
  std::vector<float> common_;     // [num_titles], weight of the words shared with the query
  std::vector<int32_t> touched_;  // titles that share a word
};

}  // namespace tutti::trainer
