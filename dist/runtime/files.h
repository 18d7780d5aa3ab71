#pragma once

#include <filesystem>
#include <ios>
#include <string_view>

namespace tutti {

// Writes the file whole, or appends to it. StorageError naming the path when that fails; not synced
// (ArtefactWriter::commit does that).
void write_file(const std::filesystem::path& path, std::string_view bytes,
                std::ios::openmode mode = std::ios::trunc);

// Brings a file or folder to the disk: a rename must not become durable before what it names.
// StorageError when that fails.
void sync_to_disk(const std::filesystem::path& path);

}  // namespace tutti
