#include "dist/runtime/folder_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "dist/runtime/log.h"
#include "dist/runtime/process.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kEndingProcess{3000};

struct Holder {
  std::string bytes;  // of the lock file
  std::string host = "an unknown host", space;
  int64_t pid = 0, start = 0;

  bool is_here() const { return !space.empty() && space == process_space(); }
  bool is_gone() const { return process_start(pid) != start; }
};

// Nothing when there is no lock.
std::optional<Holder> holder_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream bytes;
  bytes << in.rdbuf();
  Holder holder;
  holder.bytes = bytes.str();
  const auto json = nlohmann::json::parse(holder.bytes, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) {
    holder.host = json.value("host", holder.host);
    holder.space = json.value("process_space", "");
    holder.pid = json.value("pid", int64_t{0});
    holder.start = json.value("process_start", int64_t{0});
  }
  return holder;
}

[[noreturn]] void refuse(const fs::path& file, const Holder& holder) {
  throw UsageError(Problem{file.parent_path().string(), "",
                           fmt::format("process {} on {} writing it", holder.pid, holder.host),
                           "one job at a time",
                           "wait for that job, end it, or give another folder"});
}

// Somebody on this machine, who may be about to end: a launcher does not wait for what it kills.
void wait_for_its_end(const fs::path& file, const Holder& holder,
                      const FolderLockOptions& options) {
  const auto end = std::chrono::steady_clock::now() + std::min(kEndingProcess, options.patience);
  while (!holder.is_gone()) {
    if (std::chrono::steady_clock::now() > end) refuse(file, holder);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// Somebody on another machine: alive when the lock is touched while we look.
void watch_for_a_beat(const fs::path& file, const Holder& holder,
                      const FolderLockOptions& options) {
  log::info(fmt::format("{} is the lock of process {} on {}: watching it for {} s", file.string(),
                        holder.pid, holder.host,
                        std::chrono::duration<double>(options.patience).count()));
  std::error_code error;
  const auto seen = fs::last_write_time(file, error);
  const auto end = std::chrono::steady_clock::now() + options.patience;
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::min(options.beat, options.patience) / 4);
    std::ifstream again(file);  // asks a network file system for the present state
    const auto now = fs::last_write_time(file, error);
    if (error) return;  // it went
    if (now != seen) refuse(file, holder);
  }
}

// Takes a stale lock away, but no other one that came in its place since it was judged.
void remove_stale(const fs::path& file, const Holder& holder) {
  const fs::path aside = fmt::format("{}.stale-{}", file.string(), ::getpid());
  std::error_code error;
  fs::rename(file, aside, error);
  if (error) return;  // somebody else was faster
  const std::optional<Holder> taken = holder_of(aside);
  if (taken && taken->bytes != holder.bytes) {
    fs::create_hard_link(aside, file, error);
    fs::remove(aside, error);
    refuse(file, *taken);
  }
  fs::remove(aside, error);
  log::warn(fmt::format("took over the lock of process {} on {}, which is gone", holder.pid,
                        holder.host));
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder, FolderLockOptions options)
    : file_(folder / "lock.json"), options_(options) {
  content_ = nlohmann::json{{"host", host_name()},
                            {"pid", ::getpid()},
                            {"process_space", process_space()},
                            {"process_start", process_start(::getpid())}}
                 .dump() +
             "\n";
  while (!try_to_create()) {
    const std::optional<Holder> holder = holder_of(file_);
    if (!holder) continue;  // it went between two looks
    if (!holder->is_here()) {
      watch_for_a_beat(file_, *holder, options_);
    } else {
      wait_for_its_end(file_, *holder, options_);
    }
    remove_stale(file_, *holder);
  }
  beat_ = std::thread([this] { keep_touching(); });
}

FolderLock::~FolderLock() {
  {
    const std::lock_guard guard(mutex_);
    released_ = true;
  }
  changed_.notify_all();
  beat_.join();
  std::error_code ignored;
  if (const auto holder = holder_of(file_); holder && holder->bytes == content_)
    fs::remove(file_, ignored);
}

// A file that appears with its content: written aside, then linked, which fails when the name is
// taken, on network file systems too.
bool FolderLock::try_to_create() {
  const fs::path aside = fmt::format("{}.new-{}-{}", file_.string(), host_name(), ::getpid());
  write_file(aside, content_);
  const int result = ::link(aside.c_str(), file_.c_str());
  const int reason = errno;
  std::error_code ignored;
  fs::remove(aside, ignored);
  if (result == 0) return true;
  if (reason == EEXIST) return false;
  throw StorageError(Problem{file_.string(), "", std::generic_category().message(reason),
                             "a file system with hard links", "choose another folder"});
}

void FolderLock::keep_touching() {
  std::unique_lock guard(mutex_);
  while (!changed_.wait_for(guard, options_.beat, [this] { return released_; })) {
    ::utimensat(AT_FDCWD, file_.c_str(), nullptr, 0);
  }
}

}  // namespace tutti
