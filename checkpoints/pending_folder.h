#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "dist/runtime/artefact.h"

namespace tutti::checkpoints {

// How a folder becomes a checkpoint.
enum class Commit {
  kRename,  // written aside, then one rename of the folder
  kMarker,  // written in its place, where a folder cannot be renamed in one step (object stores,
            // some FUSE file systems): it counts from its manifest.json on, which is written last
};

// A checkpoint folder that is being written. Without commit() the destructor removes it.
class PendingFolder {
 public:
  virtual ~PendingFolder() = default;
  // Where to write the file of this name.
  virtual std::filesystem::path file(const std::string& name) const = 0;
  // StorageError when anything cannot be written; then there is no checkpoint.
  virtual Manifest commit(Manifest manifest) = 0;
};

// `kind`: of its manifest. kMarker: nothing is at `destination`. StorageError when the folder
// cannot be made.
std::unique_ptr<PendingFolder> make_pending_folder(const std::filesystem::path& destination,
                                                   const std::string& kind, Commit how);

}  // namespace tutti::checkpoints
