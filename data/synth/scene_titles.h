#pragma once

#include <cstdint>
#include <vector>

#include "data/synth/scenes.h"
#include "data/synth/title_pool.h"

namespace tutti::data {

// Which titles the playlists of a scene have. A title suits the scenes whose tracks carry what it
// means; the joint frequencies keep both margins: each title is as frequent as the pool says, each
// scene as its share (iterative proportional fitting; Deming and Stephan 1940).
class SceneTitles {
 public:
  SceneTitles(const TitlePool& pool, const Scenes& scenes);

  int64_t draw(int64_t scene, Rng& rng) const;        // a row of the pool
  double chance(int64_t scene, int64_t title) const;  // of the title, given the scene

 private:
  int64_t num_titles_;
  std::vector<double> cumulative_;  // [scenes, titles], each row rises to 1
};

}  // namespace tutti::data
