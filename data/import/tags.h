#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "dist/runtime/artefact.h"

namespace tutti::data {

// A catalogue as a table (the bundled form, see data/demo/README.md): tab-separated, plain or gzip,
// header "track_id artist_id album_id duration_s tags", tags separated by commas. Makes a dataset
// with a catalog and no playlists, for `tutti synth`. DataError with the line: another header,
// another number of columns, a track twice, a duration that is no number.
Manifest import_tags(const std::filesystem::path& path, const std::filesystem::path& out,
                     const nlohmann::json& config, bool overwrite);

}  // namespace tutti::data
