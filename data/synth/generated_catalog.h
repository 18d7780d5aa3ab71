#pragma once

#include <cstdint>
#include <memory>

#include "data/catalog.h"
#include "data/synth/catalog_layout.h"
#include "data/synth/popularity_line.h"
#include "data/synth/scenes.h"
#include "dist/runtime/thread_pool.h"

namespace tutti::data {

// A catalogue of any size that nobody recorded: who made what, how popular and which tags. A pure
// function of the options. About 60 bytes a track; names and keys are made by catalog().
class GeneratedCatalog {
 public:
  // UsageError as lay_out_catalog.
  GeneratedCatalog(const CatalogOptions& options, ThreadPool& pool);

  const CatalogOptions& options() const { return options_; }
  const CatalogLayout& layout() const { return layout_; }
  const PopularityLine& line() const { return line_; }
  const Scenes& scenes() const { return scenes_; }
  uint16_t tags_carried(int64_t place) const { return tags_[place]; }  // see draw_track_tags

  // With keys and names. About 100 bytes a track.
  Catalog catalog(ThreadPool& pool) const;

 private:
  CatalogOptions options_;
  CatalogLayout layout_;
  PopularityLine line_;
  Scenes scenes_;
  std::vector<uint16_t> tags_;
};

// Names that stand for more than one thing, as in life.
struct SharedNames {
  int64_t artists = 0;           // artists whose name another one has too
  int64_t tracks_of_artist = 0;  // tracks whose artist has another one of the same name
};
SharedNames count_shared_names(const Catalog& catalog);

}  // namespace tutti::data
