#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/synth/popularity.h"
#include "data/synth/title_composer.h"

namespace tutti::data {

// The titles in use, each with what its listeners mean by it. A title that many would make up is a
// frequent one: the pool holds the first num_titles distinct titles that listeners compose, ranked
// by how often they did, and their frequencies follow SynthOptions::title_exponent and offset.
class TitlePool {
 public:
  struct Title {
    std::string text;
    std::vector<TitleMeaning> meanings;  // as many as were composed, at most kMaxMeanings distinct
    std::vector<int64_t> counts;         // how often each was composed
  };

  TitlePool(const ThemeSource& themes, const SynthOptions& options);

  int64_t size() const { return std::ssize(titles_); }  // num_titles, or fewer for few tags
  const Title& title(int64_t row) const { return titles_[row]; }  // row 0 is the most frequent
  double frequency(int64_t row) const { return frequency_.share(row); }  // of all playlists
  int64_t draw(Rng& rng) const { return frequency_.draw(rng); }
  const TitleMeaning& draw_meaning(int64_t row, Rng& rng) const;

 private:
  std::vector<Title> titles_;
  WeightedItems frequency_;
};

}  // namespace tutti::data
