#include "trainer/evaluate/metric_set.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kClicksDepth = 500, kTracksAPage = 10, kClicksWithoutHit = 51;

double gain_at(int64_t place) {
  return 1 / std::log2(static_cast<double>(place) + 1);
}

double challenge_gain_at(int64_t place) {
  return place == 1 ? 1 : 1 / std::log2(static_cast<double>(place));
}

double ideal_gain(int64_t places) {
  double sum = 0;
  for (int64_t place = 1; place <= places; ++place) sum += gain_at(place);
  return sum;
}

}  // namespace

MetricSet::MetricSet(std::vector<int> cutoffs) : cutoffs_(std::move(cutoffs)) {
  TUTTI_CHECK(!cutoffs_.empty() && cutoffs_.front() > 0 &&
              std::is_sorted(cutoffs_.begin(), cutoffs_.end()));
  for (const int k : cutoffs_) {
    for (const char* name : {"hits", "hit_rate", "precision", "recall", "ndcg", "mrr"}) {
      names_.push_back(fmt::format("{}@{}", name, k));
    }
  }
  for (const char* name : {"map", "r_precision", "ndcg_challenge", "clicks"})
    names_.emplace_back(name);
}

MetricSet::MetricSet(std::vector<int> cutoffs, int k, std::shared_ptr<const TrackFacts> facts)
    : MetricSet(std::move(cutoffs)) {
  TUTTI_CHECK(k > 0 && facts != nullptr);
  facts_k_ = k;
  facts_ = std::move(facts);
  for (const char* name :
       {"distinct_artists", "popularity", "tail_share", "hits_head", "hits_torso", "hits_tail"}) {
    names_.push_back(fmt::format("{}@{}", name, k));
  }
  if (facts_->dim > 0) names_.push_back(fmt::format("list_distance@{}", k));
}

int64_t MetricSet::column(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  TUTTI_CHECK(found != names_.end(), fmt::format("no metric is called '{}'", name));
  return found - names_.begin();
}

void MetricSet::score(std::span<const int32_t> ranking, std::span<const int32_t> relevant,
                      std::span<double> out) const {
  TUTTI_CHECK(!relevant.empty(), "a query without relevant tracks has no metrics");
  TUTTI_CHECK(std::ssize(out) == num_columns());
  const auto num_relevant = std::ssize(relevant);

  std::vector<int64_t> hit_places;  // ascending, from 1
  for (size_t i = 0; i < ranking.size(); ++i) {
    if (std::binary_search(relevant.begin(), relevant.end(), ranking[i])) {
      hit_places.push_back(static_cast<int64_t>(i) + 1);
    }
  }
  TUTTI_CHECK(std::ssize(hit_places) <= num_relevant, "a ranking holds a track twice");

  double* column = out.data();
  for (const int k : cutoffs_) {
    double hits = 0, gain = 0;
    for (const int64_t place : hit_places) {
      if (place > k) break;
      hits += 1;
      gain += gain_at(place);
    }
    *column++ = hits;
    *column++ = hits > 0 ? 1 : 0;
    *column++ = hits / k;
    *column++ = hits / static_cast<double>(num_relevant);
    *column++ = gain / ideal_gain(std::min<int64_t>(k, num_relevant));
    *column++ = hits > 0 ? 1 / static_cast<double>(hit_places.front()) : 0;
  }

  double precisions = 0, early_hits = 0, challenge = 0, challenge_ideal = 0;
  for (size_t i = 0; i < hit_places.size(); ++i) {
    const auto rank = static_cast<int64_t>(i) + 1;
    precisions += static_cast<double>(rank) / static_cast<double>(hit_places[i]);
    early_hits += hit_places[i] <= num_relevant ? 1 : 0;
    challenge += challenge_gain_at(hit_places[i]);
    challenge_ideal += challenge_gain_at(rank);
  }
  const bool clicked = !hit_places.empty() && hit_places.front() <= kClicksDepth;
  *column++ = precisions / static_cast<double>(num_relevant);
  *column++ = early_hits / static_cast<double>(num_relevant);
  *column++ = hit_places.empty() ? 0 : challenge / challenge_ideal;
  *column++ =
      static_cast<double>(clicked ? (hit_places.front() - 1) / kTracksAPage : kClicksWithoutHit);
  if (facts_) score_facts(ranking, relevant, column);
}

void MetricSet::score_facts(std::span<const int32_t> ranking, std::span<const int32_t> relevant,
                            double* column) const {
  const auto listed = ranking.first(std::min<size_t>(ranking.size(), facts_k_));
  std::vector<int32_t> artists;
  double playlists = 0, tail = 0, unknown_artists = 0;
  std::array<double, 3> hits{};
  for (const int32_t track : listed) {
    const int32_t artist = facts_->artist_of[track];
    if (artist < 0) {
      unknown_artists += 1;
    } else {
      artists.push_back(artist);
    }
    playlists += facts_->train_counts[track];
    const Popularity popularity = facts_->popularity[track];
    tail += popularity == Popularity::kTail ? 1 : 0;
    if (std::binary_search(relevant.begin(), relevant.end(), track))
      hits[static_cast<size_t>(popularity)] += 1;
  }
  std::sort(artists.begin(), artists.end());
  artists.erase(std::unique(artists.begin(), artists.end()), artists.end());
  const double size = std::max<double>(1, static_cast<double>(listed.size()));
  *column++ = static_cast<double>(artists.size()) + unknown_artists;
  *column++ = playlists / size;
  *column++ = tail / size;
  for (const double of : hits) *column++ = of;
  if (facts_->dim > 0) *column = list_distance(*facts_, listed);
}

}  // namespace tutti::trainer
