#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/import/import.h"

namespace tutti::data {

// The slices "mpd.slice.FIRST-LAST.json" (or .json.gz) in a folder, or in its subfolder "data" as
// the Million Playlist Dataset is unpacked; by number. DataError when there is none.
std::vector<std::filesystem::path> mpd_slices(const std::filesystem::path& folder);

// True when `a` comes before `b` and runs of digits compare as numbers.
bool natural_less(std::string_view a, std::string_view b);

// The playlists of all slices: fields pid, name, tracks and of a track track_uri, track_name,
// artist_uri, artist_name are required; modified_at, album_uri, album_name and duration_ms are
// used where present; all others are skipped. The order of `tracks` is the playlist's order. One
// slice is in memory at a time. DataError: malformed JSON with slice and byte, a missing or wrong
// field with slice, playlist, track and field.
void read_mpd(const std::filesystem::path& folder, const PlaylistSink& sink);

}  // namespace tutti::data
