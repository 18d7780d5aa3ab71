#pragma once

#include <filesystem>
#include <string>

#include "dist/runtime/artefact.h"

// Between artefact.cc and manifest.cc.
namespace tutti {

std::string manifest_hash(const Manifest& manifest);  // what Manifest::hash must be
std::string manifest_text(const Manifest& manifest);  // the content of manifest.json

// The content of this manifest.json as it stands. DataError when it is not one.
Manifest parse_manifest(const std::filesystem::path& path);

}  // namespace tutti
