#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/string_table.h"

namespace tutti::data {

// The tracks that can be recommended and what is known of them. A track is its row number here
// everywhere in the program; the key is the user's own id ("spotify:track:..."). Keys are unique.
// Names may be empty.
struct Catalog {
  StringTable track_keys, track_names;    // [num_tracks]
  StringTable artist_keys, artist_names;  // [num_artists]
  StringTable album_keys, album_names;    // [num_albums]
  StringTable tag_names;                  // [num_tags], "genre:rock" style
  std::vector<int32_t> track_artist;      // [num_tracks], -1 when unknown
  std::vector<int32_t> track_album;       // [num_tracks], -1 when unknown
  std::vector<float> track_duration_s;    // [num_tracks], 0 when unknown
  std::vector<int64_t> tag_offsets{0};    // [num_tracks + 1]
  std::vector<int32_t> tags;  // tag rows of track t: [tag_offsets[t], tag_offsets[t+1]), ascending

  int64_t num_tracks() const { return track_keys.size(); }
  std::span<const int32_t> tags_of(int64_t track) const {
    return std::span(tags).subspan(tag_offsets[track], tag_offsets[track + 1] - tag_offsets[track]);
  }
};

}  // namespace tutti::data
