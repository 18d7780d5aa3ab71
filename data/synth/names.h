#pragma once

#include <cstdint>
#include <string>

namespace tutti::data {

// Invented names of artists, albums and tracks: plausible words, a pure function of (seed, index).
// Different artists may share a name, and an artist two titles, as in life.
std::string artist_name(uint64_t seed, int64_t artist);
// `artist`: the artist's name, for albums that are called after it.
std::string album_name(uint64_t seed, int64_t album, const std::string& artist);
std::string track_name(uint64_t seed, int64_t track);

}  // namespace tutti::data
