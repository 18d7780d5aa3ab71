#include "data/split.h"

#include "data/import/csv_reader.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::data {
namespace {

// FNV-1a, 64 bits. Philox does the mixing, so only collisions matter: about n^2 / 2^65.
uint64_t hash_of(std::string_view text, uint64_t start) {
  uint64_t hash = 0xcbf29ce484222325 ^ start;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

std::optional<Part> held_out_part(uint64_t seed, uint64_t hash, double share) {
  Rng rng(seed, Purpose::kSplit, hash);
  if (rng.uniform() >= share) return std::nullopt;
  return (rng.next_u32() & 1) == 0 ? Part::kValidation : Part::kTest;
}

}  // namespace

Part part_of(const SplitOptions& options, std::string_view normalized_title,
             std::string_view playlist_key) {
  constexpr uint64_t kTitle = 0, kPlaylist = 1;  // so that a key equal to its title is no copy
  if (const auto part =
          held_out_part(options.seed, hash_of(normalized_title, kTitle), options.unseen_titles)) {
    return *part;
  }
  return held_out_part(options.seed, hash_of(playlist_key, kPlaylist), options.held_out)
      .value_or(Part::kTrain);
}

std::optional<Part> part_from_name(std::string_view name) {
  if (name == "train") return Part::kTrain;
  if (name == "validation" || name == "valid" || name == "val" || name == "dev") {
    return Part::kValidation;
  }
  if (name == "test") return Part::kTest;
  return std::nullopt;
}

const char* name_of(Part part) {
  switch (part) {
    case Part::kTrain:
      return "train";
    case Part::kValidation:
      return "validation";
    case Part::kTest:
      return "test";
  }
  return "?";
}

SplitFile SplitFile::read(const std::filesystem::path& path) {
  SplitFile split;
  split.path_ = path.string();
  CsvReader csv(path);
  const size_t key_column = csv.require_column("playlist_id");
  const size_t part_column = csv.require_column("part");
  while (csv.next()) {
    const std::optional<Part> part = part_from_name(csv.field(part_column));
    if (!part) {
      throw DataError({split.path_, csv.place(), "part '" + csv.field(part_column) + "'",
                       "train, validation or test", ""});
    }
    if (!split.parts_.emplace(csv.field(key_column), *part).second) {
      throw DataError({split.path_, csv.place(),
                       "playlist '" + csv.field(key_column) + "' a second time",
                       "every playlist once", ""});
    }
  }
  return split;
}

std::optional<Part> SplitFile::find(std::string_view playlist_key) const {
  const auto found = parts_.find(playlist_key);
  if (found == parts_.end()) return std::nullopt;
  return found->second;
}

}  // namespace tutti::data
