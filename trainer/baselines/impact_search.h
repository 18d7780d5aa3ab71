#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// The lists of all words behind one another: which documents hold a word, ascending, and what it
// adds to the score of each, more than 0.
struct ImpactLists {
  std::vector<int64_t> offsets{0};  // [words + 1]
  std::vector<int32_t> documents;   // [entries]
  std::vector<float> impacts;       // [entries]
};

// Finds the documents with the largest sums of impacts, exactly. Documents are gone through in
// blocks whose sums stay in the first-level cache. A block that cannot hold any of the k best, by
// the largest impacts that its words have in it, is passed over (block-max: Ding and Suel 2011);
// words that cannot lift a document above the k-th best any more are only looked up for documents
// that others have lifted (MaxScore: Turtle and Flood 1995). Words of most documents are kept as
// dense rows too, which are added many documents at a time.
class ImpactSearch {
 public:
  ImpactSearch(ImpactLists lists, int64_t num_documents);

  // At most k documents that hold a word, best first; equal sums by `place_of` [num_documents].
  // `words`: rows of the lists, added in this order; one may stand twice.
  std::vector<Recommendation> top(std::span<const int32_t> words, int k,
                                  std::span<const int32_t> place_of);

 private:
  struct Term;
  // A word of enough documents to know of it block by block.
  struct WideWord {
    std::vector<int64_t> first;  // [blocks + 1], its entries before each block
    std::vector<float> most;     // [blocks], the largest impact in each
    std::vector<float> dense;    // [num_documents], of a word of most documents
  };
  Term term_of(int32_t word) const;
  float impact_of(int32_t word, int32_t document) const;  // 0 where it does not hold the word
  float sum_of(std::span<const int32_t> words, int32_t document) const;
  void add(Term& term, int64_t block);   // its impacts of the block to the sums
  void find(float bound, int64_t size);  // the sums that reach it -> candidates_
  // No document is among the k best below this: some word alone gives k documents more.
  float least_of(std::span<const int32_t> words, int k) const;

  ImpactLists lists_;
  int64_t num_documents_;
  std::vector<int64_t> top_offsets_{0};  // [words + 1]
  std::vector<float> tops_;              // the largest impacts of each word, falling
  std::vector<int32_t> wide_row_;        // [words], -1: none
  std::vector<WideWord> wide_;
  std::vector<float> sums_;          // of a block, zero between blocks
  std::vector<int32_t> candidates_;  // places in the block
};

}  // namespace tutti::trainer
