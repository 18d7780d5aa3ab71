#include "trainer/decode/beam_search.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

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
  bool was_whole = false;  // before this position
};

bool better(const Beam& a, const Beam& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.node != b.node ? a.node < b.node : a.token < b.token;
}

// Leaves the best `count` that `accept` takes, best first. Rejected ones are few: more are ordered
// only when they are needed.
template <typename Accept>
void keep_best(std::vector<Beam>& beams, int64_t count, const Accept& accept) {
  int64_t kept = 0, ordered = 0;
  while (kept < count && ordered < std::ssize(beams)) {
    const int64_t until = std::min(std::max(count, 2 * ordered), std::ssize(beams));
    if (until < std::ssize(beams)) {
      std::nth_element(beams.begin() + ordered, beams.begin() + until, beams.end(), better);
    }
    std::sort(beams.begin() + ordered, beams.begin() + until, better);
    for (; ordered < until && kept < count; ++ordered) {
      if (accept(beams[ordered])) beams[kept++] = beams[ordered];
    }
    ordered = until;
  }
  beams.resize(kept);
}

// How often each token of a level was taken by the groups before, times the penalty.
class Penalties {
 public:
  explicit Penalties(double each) : each_(static_cast<float>(each)) {}

  void start_level(const ids::IdLevel& level) {
    first_ = level.first_token;
    sums_.assign(level.num_tokens, 0.0F);
    taken_.clear();
  }
  void start_title() {
    for (const int32_t token : taken_) sums_[token - first_] = 0;
    taken_.clear();
  }
  void add(int32_t token) {
    sums_[token - first_] += each_;
    taken_.push_back(token);
  }
  float of(int32_t token) const { return sums_[token - first_]; }

 private:
  float each_;
  int32_t first_ = 0;
  std::vector<float> sums_;     // [num_tokens] of the level
  std::vector<int32_t> taken_;  // with a sum
};

// One search: the beams of all titles, moved one position at a time.
class Search {
 public:
  Search(IdScorer& scorer, const ids::Trie& trie, std::span<const ids::IdLevel> levels,
         int64_t num_titles, const BeamOptions& options)
      : scorer_(scorer),
        trie_(trie),
        levels_(levels),
        softmax_(options.softmax),
        num_groups_(options.groups),
        group_size_((std::max(options.beam, options.k) + num_groups_ - 1) / num_groups_),
        distinct_(options.distinct),
        penalties_(options.diversity),
        groups_(num_titles * num_groups_, std::vector<Beam>(1)) {}

  void advance(size_t position) {
    const ids::IdLevel& level = levels_[position];
    const bool is_last = position + 1 == levels_.size();
    const bool over_children = checkpoints::is_over_children(softmax_, is_last);
    const std::span<const float> scores = score_rows(level, is_last, over_children);

    penalties_.start_level(level);
    for (size_t first = 0; first < groups_.size(); first += num_groups_) {
      penalties_.start_title();
      held_.clear();
      for (int64_t g = 0; g < num_groups_; ++g) {
        std::vector<Beam>& group = groups_[first + g];
        candidates_.clear();
        for (const Beam& beam : group) {
          if (ids::Trie::is_leaf(beam.target)) {
            candidates_.push_back(beam);  // a finished ID competes on with the score it has
            candidates_.back().was_whole = true;
          } else if (!needs_step(beam, is_last)) {
            add_children(beam, {}, level, over_children);
          } else {
            add_children(beam,
                         scores.subspan(int64_t{beam.row} * level.num_tokens, level.num_tokens),
                         level, over_children);
          }
        }
        keep_best(candidates_, group_size_, [this](const Beam& beam) {
          return !distinct_ || num_groups_ == 1 || has_room(beam.target);
        });
        group.swap(candidates_);
        if (g + 1 < num_groups_) note_choices(group);
      }
    }
  }

  std::vector<Recommendation> finish(int64_t title, int k) {
    std::vector<Beam>& all = candidates_;
    all.clear();
    for (int64_t g = 0; g < num_groups_; ++g) {
      const auto& group = groups_[title * num_groups_ + g];
      all.insert(all.end(), group.begin(), group.end());
    }
    std::sort(all.begin(), all.end(), better);
    held_.clear();
    std::vector<Recommendation> list;
    for (const Beam& beam : all) {
      if (std::ssize(list) == k) break;
      TUTTI_CHECK(ids::Trie::is_leaf(beam.target), "an ID is longer than its levels");
      if (num_groups_ > 1) {
        if (times_held(beam.target) > 0) continue;  // another group's, at a better score
        held_.push_back(beam.target);
      }
      list.push_back({ids::Trie::track_of(beam.target), beam.score});
    }
    return list;
  }

 private:
  // Asks the model for the next position of every distinct partial ID of every title.
  std::span<const float> score_rows(const ids::IdLevel& level, bool is_last, bool over_children) {
    rows_.clear();
    for (size_t first = 0; first < groups_.size(); first += num_groups_) {
      row_of_node_.clear();
      for (int64_t g = 0; g < num_groups_; ++g) {
        for (Beam& beam : groups_[first + g]) {
          if (!needs_step(beam, is_last)) continue;
          const auto [found, is_new] =
              row_of_node_.try_emplace(beam.target, static_cast<int32_t>(rows_.size()));
          if (is_new) {
            rows_.push_back({static_cast<int32_t>(first / num_groups_), beam.row, beam.token});
          }
          beam.row = found->second;
        }
      }
    }
    if (rows_.empty()) return {};
    const auto scores = scorer_.step(rows_, level, over_children ? Softmax::kTrie : softmax_);
    TUTTI_CHECK(std::ssize(scores) == std::ssize(rows_) * level.num_tokens);
    return scores;
  }

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
    if (scores.empty()) {
      candidates_.push_back({targets[0], beam.target, tokens[0], beam.row, beam.score});
      return;
    }
    gains_.resize(tokens.size());
    for (size_t i = 0; i < tokens.size(); ++i) {
      gains_[i] = scores[tokens[i] - level.first_token] - penalties_.of(tokens[i]);
      if (std::isnan(gains_[i]))
        throw NotFiniteError("the model's score of an ID token is not a number");
    }
    const float log_sum = over_children ? log_sum_exp(gains_) : 0.0F;
    for (size_t i = 0; i < tokens.size(); ++i) {
      candidates_.push_back(
          {targets[i], beam.target, tokens[i], beam.row, beam.score + (gains_[i] - log_sum)});
    }
  }

  static float log_sum_exp(std::span<const float> values) {
    const float largest = *std::max_element(values.begin(), values.end());
    double sum = 0;
    for (const float value : values) sum += std::exp(static_cast<double>(value - largest));
    return largest + static_cast<float>(std::log(sum));
  }

  // What a group chose, for the groups behind it.
  void note_choices(const std::vector<Beam>& group) {
    for (const Beam& beam : group) {
      if (!beam.was_whole) penalties_.add(beam.token);
      if (distinct_) held_.push_back(beam.target);
    }
  }

  int64_t times_held(int32_t target) const {
    return std::count(held_.begin(), held_.end(), target);
  }

  // Whether earlier groups leave a track below the target for one more beam.
  bool has_room(int32_t target) const {
    const int64_t held = times_held(target);
    return held == 0 || leaves_below(target, held + 1) > held;
  }

  // How many tracks a target leads to, at most `limit`.
  int64_t leaves_below(int32_t target, int64_t limit) const {
    if (ids::Trie::is_leaf(target)) return 1;
    int64_t leaves = 0;
    for (const int32_t child : trie_.targets_of(target)) {
      if (leaves >= limit) break;
      leaves += leaves_below(child, limit - leaves);
    }
    return leaves;
  }

  IdScorer& scorer_;
  const ids::Trie& trie_;
  std::span<const ids::IdLevel> levels_;
  Softmax softmax_;
  int64_t num_groups_, group_size_;
  bool distinct_;
  Penalties penalties_;
  std::vector<std::vector<Beam>> groups_;  // [titles, groups], each best first
  std::vector<IdScorer::Row> rows_;
  // Buffers of one title.
  std::unordered_map<int32_t, int32_t> row_of_node_;
  std::vector<Beam> candidates_;
  std::vector<float> gains_;
  std::vector<int32_t> held_;  // targets of the groups before
};

}  // namespace

std::vector<std::vector<Recommendation>> beam_search(IdScorer& scorer, const ids::Trie& trie,
                                                     std::span<const ids::IdLevel> levels,
                                                     int64_t num_titles,
                                                     const BeamOptions& options) {
  TUTTI_CHECK(options.beam > 0 && options.k > 0 && num_titles >= 0 && options.groups > 0 &&
              options.diversity >= 0);
  Search search(scorer, trie, levels, num_titles, options);
  for (size_t position = 0; position < levels.size(); ++position) search.advance(position);
  std::vector<std::vector<Recommendation>> lists(num_titles);
  for (int64_t title = 0; title < num_titles; ++title)
    lists[title] = search.finish(title, options.k);
  return lists;
}

}  // namespace tutti::trainer
