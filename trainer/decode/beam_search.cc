#include "trainer/decode/beam_search.h"

#include <algorithm>
#include <cmath>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

namespace {

// A partial ID, or a whole one when `target` is a leaf.
struct Beam {
  int32_t target = 0;  // trie node or leaf
  int32_t node = 0;    // the node it came from and
  int32_t token = -1;  // the token taken there: together they order equal scores
  int32_t row = 0;     // row of the step that scored it: what its next position continues
  float score = 0;
};

bool better(const Beam& a, const Beam& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.node != b.node ? a.node < b.node : a.token < b.token;
}

void keep_best(std::vector<Beam>& beams, int64_t count) {
  if (std::ssize(beams) > count) {
    std::nth_element(beams.begin(), beams.begin() + count, beams.end(), better);
    beams.resize(count);
  }
  std::sort(beams.begin(), beams.end(), better);
}

// log of the sum of exp over the children of a node; `scores` are those of the level.
float log_sum_exp(std::span<const float> scores, std::span<const int32_t> tokens, int32_t first) {
  float largest = scores[tokens.front() - first];
  for (int32_t token : tokens) largest = std::max(largest, scores[token - first]);
  double sum = 0;
  for (int32_t token : tokens)
    sum += std::exp(static_cast<double>(scores[token - first] - largest));
  return largest + static_cast<float>(std::log(sum));
}

// One search: the beams of all titles, moved one position at a time.
class Search {
 public:
  Search(IdScorer& scorer, const ids::Trie& trie, std::span<const ids::IdLevel> levels,
         int64_t num_titles, const BeamOptions& options)
      : scorer_(scorer),
        trie_(trie),
        levels_(levels),
        softmax_(options.softmax),
        width_(std::max(options.beam, options.k)),
        beams_(num_titles, std::vector<Beam>(1)) {}

  void advance(size_t position) {
    const ids::IdLevel& level = levels_[position];
    const bool is_last = position + 1 == levels_.size();
    const bool over_children = checkpoints::is_over_children(softmax_, is_last);

    rows_.clear();
    for (size_t title = 0; title < beams_.size(); ++title) {
      for (Beam& beam : beams_[title]) {
        if (!needs_step(beam, is_last)) continue;
        rows_.push_back({static_cast<int32_t>(title), beam.row, beam.token});
        beam.row = static_cast<int32_t>(rows_.size()) - 1;
      }
    }
    std::span<const float> scores;
    if (!rows_.empty()) {
      scores = scorer_.step(rows_, level, over_children ? Softmax::kTrie : softmax_);
      TUTTI_CHECK(std::ssize(scores) == std::ssize(rows_) * level.num_tokens);
    }

    for (auto& beams : beams_) {
      candidates_.clear();
      for (const Beam& beam : beams) {
        if (ids::Trie::is_leaf(beam.target)) {
          candidates_.push_back(beam);  // a finished ID competes on with the score it has
        } else if (!needs_step(beam, is_last)) {
          add_children(beam, {}, level, over_children);
        } else {
          add_children(beam, scores.subspan(int64_t{beam.row} * level.num_tokens, level.num_tokens),
                       level, over_children);
        }
      }
      keep_best(candidates_, width_);
      beams.swap(candidates_);
    }
  }

  std::vector<Recommendation> finish(size_t title, int k) const {
    std::vector<Recommendation> list;
    for (const Beam& beam : beams_[title]) {
      if (std::ssize(list) == k) break;
      TUTTI_CHECK(ids::Trie::is_leaf(beam.target), "an ID is longer than its levels");
      list.push_back({ids::Trie::track_of(beam.target), beam.score});
    }
    return list;
  }

 private:
  // At the last level a single child has probability one under a softmax over the children, and
  // nothing follows that would need the model to have seen it.
  bool needs_step(const Beam& beam, bool is_last) const {
    if (ids::Trie::is_leaf(beam.target)) return false;
    const bool is_certain = checkpoints::is_over_children(softmax_, is_last) &&
                            trie_.tokens_of(beam.target).size() == 1;
    return !is_last || !is_certain;
  }

  // `scores`: the level's, of this beam; empty for a single child of the last level.
  void add_children(const Beam& beam, std::span<const float> scores, const ids::IdLevel& level,
                    bool over_children) {
    const auto tokens = trie_.tokens_of(beam.target);
    const auto targets = trie_.targets_of(beam.target);
    if (tokens.empty()) return;  // the root of an empty catalog
    TUTTI_CHECK(
        tokens.front() >= level.first_token && tokens.back() < level.first_token + level.num_tokens,
        "a trie token lies outside its level");
    const bool is_certain = scores.empty();
    const float log_sum =
        over_children && !is_certain ? log_sum_exp(scores, tokens, level.first_token) : 0.0F;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const float gain = is_certain ? 0.0F : scores[tokens[i] - level.first_token] - log_sum;
      if (std::isnan(gain))
        throw NotFiniteError("the model's score of an ID token is not a number");
      candidates_.push_back({targets[i], beam.target, tokens[i], beam.row, beam.score + gain});
    }
  }

  IdScorer& scorer_;
  const ids::Trie& trie_;
  std::span<const ids::IdLevel> levels_;
  Softmax softmax_;
  int64_t width_;
  std::vector<std::vector<Beam>> beams_;  // by title, best first
  std::vector<IdScorer::Row> rows_;
  std::vector<Beam> candidates_;
};

}  // namespace

std::vector<std::vector<Recommendation>> beam_search(IdScorer& scorer, const ids::Trie& trie,
                                                     std::span<const ids::IdLevel> levels,
                                                     int64_t num_titles,
                                                     const BeamOptions& options) {
  TUTTI_CHECK(options.beam > 0 && options.k > 0 && num_titles >= 0);
  Search search(scorer, trie, levels, num_titles, options);
  for (size_t position = 0; position < levels.size(); ++position) search.advance(position);
  std::vector<std::vector<Recommendation>> lists(num_titles);
  for (size_t title = 0; title < lists.size(); ++title)
    lists[title] = search.finish(title, options.k);
  return lists;
}

}  // namespace tutti::trainer
