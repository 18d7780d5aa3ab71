#pragma once

#include <cstdint>
#include <vector>

#include "data/string_table.h"
#include "data/synth/catalog_layout.h"
#include "data/synth/theme_source.h"

namespace tutti::data {

// The tags that tracks of a scene may carry, and how likely each is.
struct Scene {
  std::vector<int32_t> tags;    // at most 16, distinct
  std::vector<double> chances;  // [tags]

  double chance_of(int32_t tag) const;  // 0 for a tag that is not of the scene
};

// The scenes of a generated catalogue. Its tags are those of the bundled catalogue, for which there
// are words.
class Scenes : public ThemeSource {
 public:
  // `shares`: of all picks of listeners, [scenes].
  Scenes(const CatalogOptions& options, std::vector<double> shares);

  int64_t size() const { return std::ssize(scenes_); }
  const Scene& operator[](int64_t scene) const { return scenes_[scene]; }
  double share(int64_t scene) const { return shares_[scene]; }

  const StringTable& tag_names() const override { return tag_names_; }
  // Of a scene drawn by its share: genres likelier than moods, moods than instruments.
  std::vector<int32_t> some_theme(int64_t most, Rng& rng) const override;

 private:
  StringTable tag_names_;
  std::vector<Scene> scenes_;
  std::vector<double> shares_;
};

// Which tags each track carries, [tracks] by place: bit i stands for tag i of its scene.
std::vector<uint16_t> draw_track_tags(const CatalogLayout& layout, const Scenes& scenes,
                                      const CatalogOptions& options);

}  // namespace tutti::data
