#pragma once

#include <filesystem>
#include <string>

#include "data/catalog.h"
#include "data/dataset.h"

namespace tutti::data {

// A folder of its own for one test, gone afterwards.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& name);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// `num_tracks` tracks, three by each artist, that carry one to four of twelve real tag names.
Catalog small_catalog(int64_t num_tracks);

// The catalogue that is bundled with the project.
const Catalog& bundled_catalog();

}  // namespace tutti::data
