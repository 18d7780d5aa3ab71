#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "dist/runtime/folder_lock.h"

namespace tutti::trainer {

// RUN/: config.ini (the resolved options), log.jsonl (a record a line, one for
// each step), checkpoints/, best/checkpoints/. Locked for other jobs while this lives. Rank 0 only.
class RunFolder {
 public:
  enum class Existing { kRefuse, kResume, kReplace };

  // Makes the folder. kRefuse: UsageError when it is there. kReplace: deletes
  // an old run first, and refuses to delete anything that is no run. kResume:
  // keeps what is there. StorageError when it cannot be written, UsageError when another job
  // writes it.
  RunFolder(std::filesystem::path path, Existing existing);

  void write_config(const std::string& ini) const;
  // Drops records of steps after `step`: they will be made again.
  void truncate_log_after(int64_t step) const;
  void append(const nlohmann::json& record) const;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<FolderLock> lock_;
};

}  // namespace tutti::trainer
