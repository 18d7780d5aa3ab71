#include "tests/data/catalogs.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/import/tags.h"
#include "dist/runtime/rng.h"

namespace tutti::data {

ScratchFolder::ScratchFolder(const std::string& name)
    : path_(std::filesystem::path(testing::TempDir()) /
            fmt::format("tutti_{}_{}", name, static_cast<int>(::getpid()))) {
  std::filesystem::remove_all(path_);
  std::filesystem::create_directories(path_);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Catalog small_catalog(int64_t num_tracks) {
  Catalog catalog;
  for (const char* tag :
       {"genre:ambient", "genre:electronic", "genre:jazz", "genre:pop", "genre:punkrock",
        "genre:rock", "instrument:guitar", "instrument:piano", "instrument:synthesizer",
        "mood/theme:energetic", "mood/theme:relaxing", "mood/theme:sad"}) {
    catalog.tag_names.push_back(tag);
  }
  Rng rng(1, Purpose::kTest);
  for (int64_t t = 0; t < num_tracks; ++t) {
    catalog.track_keys.push_back(fmt::format("track-{}", t));
    catalog.track_names.push_back("");
    if (t % 3 == 0) {
      for (auto* table : {&catalog.artist_keys, &catalog.artist_names}) {
        table->push_back(fmt::format("artist-{}", t / 3));
      }
      for (auto* table : {&catalog.album_keys, &catalog.album_names}) {
        table->push_back(fmt::format("album-{}", t / 3));
      }
    }
    catalog.track_artist.push_back(static_cast<int32_t>(t / 3));
    catalog.track_album.push_back(static_cast<int32_t>(t / 3));
    catalog.track_duration_s.push_back(180);
    std::vector<int32_t> tags;
    const uint64_t num_tags = 1 + rng.below(4);
    for (uint64_t i = 0; i < num_tags; ++i) tags.push_back(static_cast<int32_t>(rng.below(12)));
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    catalog.tags.insert(catalog.tags.end(), tags.begin(), tags.end());
    catalog.tag_offsets.push_back(std::ssize(catalog.tags));
  }
  return catalog;
}

const Catalog& bundled_catalog() {
  static const Catalog catalog = [] {
    const ScratchFolder folder("bundled_catalog");
    const auto source =
        std::filesystem::path(TUTTI_SOURCE_DIR) / "data" / "demo" / "jamendo-tags.tsv.gz";
    import_tags(source, folder / "catalog", {}, false);
    return Dataset::open(folder / "catalog").catalog();
  }();
  return catalog;
}

}  // namespace tutti::data
