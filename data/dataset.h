#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "data/catalog.h"
#include "data/string_table.h"
#include "dist/runtime/artefact.h"

namespace tutti::data {

enum class Part : uint8_t { kTrain = 0, kValidation = 1, kTest = 2 };

// The distinct titles of all playlists. A held-out playlist is "seen" when its normalised title
// also names a training playlist.
struct TitleTable {
  StringTable raw;                          // [num_raw], as written, in order of first occurrence
  StringTable normalized;                   // [num_normalized], see normalizer.h
  std::vector<int32_t> normalized_of;       // [num_raw] -> row of `normalized`
  std::vector<int32_t> train_playlists_of;  // [num_normalized], playlists in the training part
};

// Consecutive playlists in CSR form. Playlist i of the block is `first + i` of the dataset. A
// playlist holds a track once.
struct PlaylistBlock {
  int64_t first = 0;
  std::vector<int64_t> offsets{0};  // [size + 1]
  std::vector<int32_t> tracks;      // catalog rows, in playlist order
  std::vector<int32_t> titles;      // [size], row of TitleTable::raw
  std::vector<Part> parts;          // [size]

  int64_t size() const { return static_cast<int64_t>(titles.size()); }
  std::span<const int32_t> tracks_of(int64_t i) const {
    return std::span(tracks).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
};

// A dataset folder: manifest.json, catalog.h5, titles.h5, playlists-NNNNN.h5 (see data/README.md
// for the layout). Playlists are read in ranges; catalog and titles are read whole, on first use.
// HDF5 is touched by the calling thread only.
class Dataset {
 public:
  // Checks manifest and sizes; DataError that names what is wrong. `verify` reads and hashes all
  // bytes.
  static Dataset open(const std::filesystem::path& path, bool verify = false);
  ~Dataset();
  Dataset(Dataset&&) noexcept;
  Dataset& operator=(Dataset&&) noexcept;

  const std::filesystem::path& path() const;
  const Manifest& manifest() const;
  int64_t num_playlists() const;
  int64_t num_entries() const;
  int64_t num_tracks() const;

  const Catalog& catalog() const;
  StringTable track_keys() const;  // of the catalog, where the rest of it is not needed
  const TitleTable& titles() const;
  const std::vector<Part>& parts() const;              // [num_playlists]
  std::vector<int64_t> playlists_in(Part part) const;  // ascending
  std::vector<int32_t> train_counts()
      const;  // [num_tracks], training playlists that hold the track

  PlaylistBlock read(int64_t first, int64_t last)
      const;  // [first, last); DataError on a checksum or shape mismatch
  StringTable keys(int64_t first, int64_t last) const;  // the user's ids of these playlists

 private:
  struct Impl;
  explicit Dataset(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::data
