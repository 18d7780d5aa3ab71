#pragma once

#include <filesystem>

#include "dist/communicator.h"
#include "dist/runtime/artefact.h"

namespace tutti {

// Copies an artefact to a disk of each node, once a node, and checks the SHA-256 of every byte that
// arrived: FOLDER/KIND-HASH, which appears whole by rename. A copy that is there already is checked
// and used, whichever job made it (or made again, when it is damaged); two jobs of a node wait for
// each other. Gives back where the copy lies, equal on all ranks. Collective.
//
// DataError naming the file when the artefact is damaged, StorageError when the copy cannot be
// written.
std::filesystem::path copy_to_each_node(Communicator& comm, const std::filesystem::path& artefact,
                                        const Manifest& manifest,
                                        const std::filesystem::path& folder);

}  // namespace tutti
