#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

namespace tutti {

struct FolderLockOptions {
  // How often the holder touches the lock, and how long somebody on another machine watches for
  // that before the holder counts as gone. The latter must be several times the former.
  std::chrono::milliseconds beat{10'000}, patience{45'000};
};

// The right to write a folder that one job at a time may write. The file FOLDER/lock.json names
// host and process; it goes with the lock. A lock whose process is gone is taken over with a
// warning: on the same machine that is known at once (the process, or one that got its number, can
// be asked for); on another one the lock is watched until it is touched or patience is over, so
// clocks need not agree.
class FolderLock {
 public:
  // UsageError naming host and process when the folder is locked, StorageError when it cannot be
  // written. The folder must exist.
  explicit FolderLock(const std::filesystem::path& folder, FolderLockOptions options = {});
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  bool try_to_create();
  void keep_touching();

  std::filesystem::path file_;
  FolderLockOptions options_;
  std::string content_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
  std::thread beat_;
};

}  // namespace tutti
