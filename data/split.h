#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "data/dataset.h"

namespace tutti::data {

struct SplitOptions {
  double unseen_titles = 0.10;  // share of normalised titles that are held out whole
  double held_out = 0.05;       // share of the remaining playlists that are held out
  uint64_t seed = 0;
};

// The part of a playlist: a pure function of the seed and the two texts, so a playlist keeps its
// part when others are added or the order of the input changes. First `unseen_titles` of the titles
// go to validation or test whole, then `held_out` of the other playlists; each half and half.
Part part_of(const SplitOptions& options, std::string_view normalized_title,
             std::string_view playlist_key);

// "train", "validation" (or "val", "valid", "dev"), "test"; nothing for other words.
std::optional<Part> part_from_name(std::string_view name);
const char* name_of(Part part);

// A split that the user gives: a CSV with the columns playlist_id and part (header needed; plain or
// gzip). It is held in memory.
class SplitFile {
 public:
  // DataError: missing columns, an unknown part, a playlist listed twice (with the line).
  static SplitFile read(const std::filesystem::path& path);

  std::optional<Part> find(std::string_view playlist_key) const;
  int64_t size() const { return static_cast<int64_t>(parts_.size()); }
  const std::string& path() const { return path_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  std::string path_;
  std::unordered_map<std::string, Part, Hash, std::equal_to<>> parts_;
};

}  // namespace tutti::data
