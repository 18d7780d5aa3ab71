#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tutti::data {

struct SynthTitle {
  std::string text;
  int64_t row = 0;  // of the source's pool of titles
};

struct SynthPlaylist {
  std::string title;
  int64_t title_row;            // of the source's pool of titles
  std::vector<int32_t> tracks;  // rows of the catalogue, distinct
  int64_t modified_at;          // seconds since 1970
};

// Simulated playlists over one catalogue. Playlist i is a pure function of what the source was made
// from and of i: any rank or thread makes the same one, in any order. All calls may come from many
// threads at once.
class PlaylistSource {
 public:
  virtual ~PlaylistSource() = default;

  virtual SynthTitle title(int64_t index) const = 0;  // of playlist(index), without its tracks
  virtual SynthPlaylist playlist(int64_t index) const = 0;
  virtual int64_t num_titles() const = 0;  // normalised ones in use, at most
};

}  // namespace tutti::data
