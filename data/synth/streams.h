#pragma once

#include <cstdint>

namespace tutti::data {

// Indices of the random streams of Purpose::kSynthCatalog: tracks, artists and titles have ranges
// of their own.
constexpr uint64_t track_stream(int64_t track) {
  return static_cast<uint64_t>(track);
}
constexpr uint64_t artist_stream(int64_t artist) {
  return (uint64_t{1} << 40) + static_cast<uint64_t>(artist);
}
constexpr uint64_t title_stream(int64_t draw) {
  return (uint64_t{2} << 40) + static_cast<uint64_t>(draw);
}

// ... and of a generated catalogue: what belongs to it as a whole, its scenes, and the size,
// character and name of its artists, albums and tracks.
enum class CatalogStream : uint64_t {
  kArtistOrder = 3,
  kSizeOrder,
  kSceneGenres,
  kScene,
  kAlbumSizes,
  kArtistPopularity,
  kAlbumPopularity,
  kTrackPopularity,
  kArtistTags,
  kTrackTags,
  kArtistName,
  kAlbumName,
  kTrackName,
  kDuration,
  kPlaylistOrder,
};
constexpr uint64_t catalog_stream(CatalogStream use, int64_t index = 0) {
  return (static_cast<uint64_t>(use) << 40) + static_cast<uint64_t>(index);
}

}  // namespace tutti::data
