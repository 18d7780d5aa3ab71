#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/import/import.h"

namespace tutti::data {

// Playlists as a CSV table (see CsvReader), a row an entry. Columns, by name, in any order:
// playlist_id, title, track_id are required; artist (or artist_id with artist), name, album,
// album_id, duration_s, tags (separated by '|') and modified_at (Unix seconds) are used where
// present. Rows of a playlist stand together and repeat its title; 8 bytes a playlist are kept to
// check that. DataError with the line.
void read_csv(const std::filesystem::path& path, const PlaylistSink& sink);

// Columns of the file that read_csv does not use: worth a warning, as they may be misspelt.
std::vector<std::string> unused_csv_columns(const std::filesystem::path& path);

}  // namespace tutti::data
