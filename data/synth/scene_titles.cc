#include "data/synth/scene_titles.h"

#include <algorithm>
#include <numeric>

#include "data/synth/contexts.h"

namespace tutti::data {
namespace {

constexpr double kStray = 0.01;  // chance that a playlist is called after what its scene is not
constexpr int kRounds = 20;      // the margins are met to 1e-3 or better

// How well each title suits each scene, [scenes, titles], not normalised.
std::vector<double> affinities(const TitlePool& pool, const Scenes& scenes) {
  const auto context_tags = rows_of_context_tags(scenes.tag_names());
  std::vector<double> chances(scenes.tag_names().size());
  std::vector<double> affinity(scenes.size() * pool.size());
  for (int64_t s = 0; s < scenes.size(); ++s) {
    for (int64_t tag = 0; tag < std::ssize(chances); ++tag) {
      chances[tag] = kStray + scenes[s].chance_of(static_cast<int32_t>(tag));
    }
    for (int64_t t = 0; t < pool.size(); ++t) {
      const TitlePool::Title& title = pool.title(t);
      double sum = 0;
      for (size_t m = 0; m < title.meanings.size(); ++m) {
        const TitleMeaning& meaning = title.meanings[m];
        double suits = static_cast<double>(title.counts[m]);
        for (const int32_t tag : meaning.tags) suits *= chances[tag];
        if (meaning.context >= 0) {
          double lean = kStray;
          for (const int32_t tag : context_tags[meaning.context]) lean += chances[tag];
          suits *= lean;
        }
        sum += suits;
      }
      affinity[s * pool.size() + t] = sum;
    }
  }
  return affinity;
}

}  // namespace

SceneTitles::SceneTitles(const TitlePool& pool, const Scenes& scenes)
    : num_titles_(pool.size()), cumulative_(affinities(pool, scenes)) {
  std::vector<double> of_title(num_titles_);
  for (int round = 0; round < kRounds; ++round) {
    std::ranges::fill(of_title, 0);
    for (int64_t s = 0; s < scenes.size(); ++s) {
      const double* row = &cumulative_[s * num_titles_];
      for (int64_t t = 0; t < num_titles_; ++t) of_title[t] += row[t];
    }
    for (int64_t t = 0; t < num_titles_; ++t) of_title[t] = pool.frequency(t) / of_title[t];
    for (int64_t s = 0; s < scenes.size(); ++s) {
      double* row = &cumulative_[s * num_titles_];
      for (int64_t t = 0; t < num_titles_; ++t) row[t] *= of_title[t];
      const double scale = scenes.share(s) / std::accumulate(row, row + num_titles_, 0.0);
      for (int64_t t = 0; t < num_titles_; ++t) row[t] *= scale;
    }
  }
  for (int64_t s = 0; s < scenes.size(); ++s) {
    double* row = &cumulative_[s * num_titles_];
    std::partial_sum(row, row + num_titles_, row);
    const double sum = row[num_titles_ - 1];
    for (int64_t t = 0; t < num_titles_; ++t) row[t] /= sum;
  }
}

int64_t SceneTitles::draw(int64_t scene, Rng& rng) const {
  const double* row = &cumulative_[scene * num_titles_];
  return std::upper_bound(row, row + num_titles_ - 1, rng.uniform()) - row;
}

double SceneTitles::chance(int64_t scene, int64_t title) const {
  const double* row = &cumulative_[scene * num_titles_];
  return row[title] - (title == 0 ? 0 : row[title - 1]);
}

}  // namespace tutti::data
