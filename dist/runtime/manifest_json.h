#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "dist/runtime/artefact.h"

// Between artefact.cc, manifest.cc and those who write artefacts in another way.
namespace tutti {

std::string manifest_hash(const Manifest& manifest);  // what Manifest::hash must be
std::string manifest_text(const Manifest& manifest);  // the content of manifest.json

// The content of this manifest.json as it stands. DataError when it is not one.
Manifest parse_manifest(const std::filesystem::path& path);

// Syncs and hashes every file under `folder`, by its path from there. Those in `hashed` another
// process has synced and hashed. StorageError or std::filesystem::filesystem_error.
std::map<std::string, FileEntry> sync_and_hash_files(
    const std::filesystem::path& folder, const std::map<std::string, FileEntry>& hashed);

}  // namespace tutti
