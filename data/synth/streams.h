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

}  // namespace tutti::data
