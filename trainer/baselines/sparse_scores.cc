#include "trainer/baselines/sparse_scores.h"

#include <algorithm>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

void fill_with_popular(std::vector<Recommendation>& best, const PopularityRanker& popularity,
                       int k) {
  const auto wanted = static_cast<size_t>(k);
  const auto num_scored = std::ssize(best);
  const float score = best.empty() ? 0.0F : std::min(0.0F, best.back().score);
  for (const int32_t track : popularity.order()) {
    if (best.size() >= wanted) return;
    const bool listed = std::any_of(best.begin(), best.begin() + num_scored,
                                    [track](const auto& r) { return r.track == track; });
    if (!listed) best.push_back({track, score});
  }
}

SparseScores::SparseScores(const PopularityRanker& popularity)
    : popularity_(popularity), places_(popularity.places()), scores_(places_.size(), 0.0F) {}

std::vector<Recommendation> SparseScores::take_top(int k) {
  TUTTI_CHECK(k > 0);
  const auto better = [this](const Recommendation& a, const Recommendation& b) {
    return a.score != b.score ? a.score > b.score : places_[a.track] < places_[b.track];
  };
  const auto wanted = static_cast<size_t>(k);
  std::vector<Recommendation> best;  // a heap with the worst kept track on top
  best.reserve(wanted + 1);
  for (const int32_t track : touched_) {
    const Recommendation candidate{track, scores_[track]};
    scores_[track] = 0;
    if (best.size() == wanted && !better(candidate, best.front())) continue;
    best.push_back(candidate);
    std::push_heap(best.begin(), best.end(), better);
    if (best.size() <= wanted) continue;
    std::pop_heap(best.begin(), best.end(), better);
    best.pop_back();
  }
  touched_.clear();
  std::sort_heap(best.begin(), best.end(), better);

  fill_with_popular(best, popularity_, k);
  return best;
}

}  // namespace tutti::trainer
