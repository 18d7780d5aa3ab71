#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/dataset.h"
#include "trainer/baselines/impact_search.h"
#include "trainer/baselines/popularity.h"
#include "trainer/evaluate/playlist_blocks.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// What the document of a track is made of; its parts are put behind one another.
struct Bm25Documents {
  bool titles = true;     // normalised titles of the training playlists that hold it
  bool metadata = false;  // names of the track, its artist and its album
  bool tags = false;      // plain words of its tags; with prompts made of tags this is an oracle
};

// An inverted index. A track whose document has no word has none.
class Bm25Index {
 public:
  // Streams the playlists twice: once to count, once to fill.
  static Bm25Index build(const data::Dataset& dataset, const Bm25Documents& documents = {});

  // Documents of titles. Playlists outside the training part are skipped.
  static Bm25Index build(const data::TitleTable& titles, int64_t num_tracks,
                         const BlockSource& playlists);

  struct Posting {
    int32_t track = 0;
    int32_t count = 0;  // how often the word occurs in the track's document
  };
  // Tracks whose document holds the word, ascending; empty for an unknown word.
  std::span<const Posting> postings_of(std::string_view word) const;

  // Occurrences of the word in all documents together.
  int64_t occurrences_of(std::string_view word) const;

  // Words are rows, in order of first use; -1: unknown.
  int32_t row_of(std::string_view word) const;
  int64_t num_words() const { return std::ssize(offsets_) - 1; }
  std::span<const Posting> postings_of_row(int32_t word) const;

  int64_t num_documents() const { return num_documents_; }
  double mean_length() const { return mean_length_; }               // words a document
  const std::vector<int64_t>& lengths() const { return lengths_; }  // [num_tracks], 0: no document

 private:
  // Calls visit(words, tracks): words as they stand, put into the document of each of the tracks.
  using TextVisitor = std::function<void(std::span<const int32_t>, std::span<const int32_t>)>;
  using TextSource = std::function<void(const TextVisitor&)>;
  // Asks for the texts twice, once all words have rows.
  void fill(int64_t num_tracks, const TextSource& texts);
  int32_t add_word(const std::string& word);

  std::unordered_map<std::string, int32_t> word_rows_;  // looked up, never walked
  std::vector<int64_t> offsets_{0};                     // [num_words + 1]
  std::vector<Posting> postings_;
  std::vector<int64_t> lengths_;
  int64_t num_documents_ = 0;
  double mean_length_ = 0;
};

// The defaults are Lucene's; tune.h finds better ones for playlists.
struct Bm25Parameters {
  double k1 = 1.2;  // >= 0: how soon further occurrences of a word stop counting
  double b = 0.75;  // 0 .. 1: how much long documents are held back. A document is as long as its
                    // track is popular, so playlists want it near 0
};

// Lucene's BM25 over the words of the normalised title: the sum over words of idf * tf / (tf + k1 *
// (1 - b + b * length / mean length)), idf = ln(1 + (N - n + 0.5) / (n + 0.5)), N = tracks with a
// document (apache/lucene BM25Similarity.java). Ties by popularity, then track row. Lists shorter
// than k are filled up with the most popular other tracks (score 0), so that the baseline is at its
// best.
class Bm25Ranker : public Ranker {
 public:
  // Both must outlive the ranker.
  // `documents`: what the index was made of, for the name: "titles".
  Bm25Ranker(const Bm25Index& index, const PopularityRanker& popularity,
             const Bm25Parameters& parameters, std::string documents = "");

  std::string name() const override;
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override;

 private:
  ImpactLists impacts() const;  // what each word adds to the score of each of its documents

  const Bm25Index& index_;
  const PopularityRanker& popularity_;
  Bm25Parameters parameters_;
  std::string documents_;
  std::vector<int32_t> places_;  // [num_tracks], in the popularity order: breaks ties
  ImpactSearch search_;
};

}  // namespace tutti::trainer
