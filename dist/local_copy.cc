#include "dist/local_copy.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "dist/runtime/log.h"
#include "dist/runtime/process.h"
#include "dist/together.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifestFile = "manifest.json";

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw StorageError(Problem{.file = path.string(),
                             .place = host_name(),
                             .found = what,
                             .expected = "",
                             .cure = "give --stage a folder of this node with room for the data"});
}

// Held while a copy is made; goes with the process.
class CopyLock {
 public:
  explicit CopyLock(const fs::path& file)
      : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0)
      fail(file, "cannot lock: " + std::generic_category().message(errno));
  }
  ~CopyLock() { ::close(fd_); }
  CopyLock(const CopyLock&) = delete;
  CopyLock& operator=(const CopyLock&) = delete;

 private:
  int fd_;
};

void copy_one(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error) fail(to, fmt::format("cannot copy {}: {}", from.string(), error.message()));
}

void copy_here(const fs::path& artefact, const Manifest& manifest, const fs::path& to) {
  const auto start = std::chrono::steady_clock::now();
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (error) fail(to.parent_path(), "cannot make the folder: " + error.message());
  const std::string name = to.filename().string();
  const CopyLock lock(to.parent_path() / fmt::format(".{}.lock", name));
  if (fs::exists(to, error)) {
    try {
      verify_files(to, read_manifest(to, manifest.kind, manifest.format_version));
      log::all_ranks(fmt::format("{} is on {} and good", to.string(), host_name()));
      return;
    } catch (const DataError& damage) {
      log::warn(fmt::format("the copy on {} is made again: {}", host_name(), damage.what()));
      fs::remove_all(to, error);
    }
  }
  const fs::path aside = to.parent_path() / fmt::format(".{}.tmp", name);
  fs::remove_all(aside, error);  // of a process that was killed
  try {
    int64_t bytes = 0;
    for (const auto& [file, entry] : manifest.files) {
      copy_one(artefact / file, aside / file);
      bytes += entry.bytes;
    }
    copy_one(artefact / kManifestFile, aside / kManifestFile);
    verify_files(aside, manifest);
    fs::rename(aside, to, error);
    if (error) fail(to, "cannot rename to it: " + error.message());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    log::all_ranks(fmt::format("copied {} MiB to {} on {} in {:.1f} s", bytes >> 20, to.string(),
                               host_name(), took.count()));
  } catch (...) {
    fs::remove_all(aside, error);
    throw;
  }
}

}  // namespace

fs::path copy_to_each_node(Communicator& comm, const fs::path& artefact, const Manifest& manifest,
                           const fs::path& folder) {
  fs::path to = folder / fmt::format("{}-{}", manifest.kind, manifest.hash.substr(0, 16));
  run_together(comm, [&] {
    if (comm.local_rank() == 0) copy_here(artefact, manifest, to);
  });
  // The others of the node see the same folder, or are on another one after all.
  run_together(comm, [&] { read_manifest(to, manifest.kind, manifest.format_version); });
  return to;
}

}  // namespace tutti
